"""Who may do what, by API keys; and how much each key, and each client without one, may ask for."""

import hashlib
import math
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials
from limits import RateLimitItem, parse

from serving.api.rate_limit import windows
from serving.config import settings
from serving.errors import NoKeyError, TooManyError
from serving.keys import KeyRing, Scope
from serving.telemetry.metrics import Metrics

HEADER = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    description="one of $CINEFEAST_READ_KEYS, $CINEFEAST_WRITE_KEYS, $CINEFEAST_ADMIN_KEYS or $CINEFEAST_KEYS_FILE",
)
BASIC = HTTPBasic(auto_error=False)
"""How a browser sends a key to the page, as a password. To nothing else: a site elsewhere could make it send one."""

CHANGES: dict[str, Scope] = {"/v1/events": "write", "/v1/films": "admin"}
"""What changes something, but for reading it."""


class Keys:
    """The keys in force, and how much each may be used."""

    def __init__(self, metrics: Metrics) -> None:
        given = settings()
        self.ring = KeyRing()
        self._rate, self._read_rate = parse(given.rate_limit), parse(given.read_limit)
        self._windows = windows(metrics.unshared_limits.inc)

    def check(self, scope: Scope, given: str | None) -> None:
        """NoKeyError where the key may not do this."""
        if not self.ring.may(scope, given):
            raise NoKeyError(f"this needs a key that may {scope}")

    def check_change(self, path: str, given: str | None) -> None:
        """NoKeyError where a path changes something and the key may not, as its route will say again."""
        for prefix, scope in CHANGES.items():
            if path.startswith(prefix) and not self.ring.may(scope, given):
                raise NoKeyError(f"this needs a key that may {scope}")

    async def count(self, given: str | None, address: str, cost: int) -> None:
        """TooManyError where a key, or an address that sent none, asks for more than it may."""
        if given and self.ring.may("read", given):
            await self._add("read", self._read_rate, digest(given), cost, "cost with this key")
        else:
            await self._add("read", self._read_rate, digest(address), cost, "cost from this address")

    async def count_writes(self, given: str | None, count: int) -> None:
        """TooManyError where a key changes more than it may."""
        await self._add("write", self._rate, digest(given), count, "events and films with this key")

    async def _add(self, kind: str, most: RateLimitItem, who: str, amount: int, what: str) -> None:
        """Count so much; what is more than a whole window counts as one, or it would never be taken."""
        seconds = most.get_expiry()
        amount = min(amount, most.amount)
        count, left = await self._windows.add(f"cinefeast:limits:{kind}:{seconds}:{who}", seconds, amount)
        if count > most.amount:
            error = TooManyError(f"more than {most} of {what}; this request counts {amount}")
            error.retry_after = max(1, math.ceil(left))
            raise error


def digest(client: str | None) -> str:
    """What stands for a key or an address where it is counted."""
    return hashlib.sha256((client or "").encode("utf-8", "replace")).hexdigest()[:32]


async def may_read(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that answer about a user whatever the server is open for."""
    request.app.state.keys.check("read", key)


async def may_read_of_user(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes whose answers are about a user."""
    if not request.app.state.keys.ring.is_open:
        request.app.state.keys.check("read", key)


async def may_read_of_named(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes whose answers are about a user where one is named."""
    if "user_id" in request.query_params:
        await may_read_of_user(request, key)


async def may_see(
    request: Request,
    key: Annotated[str | None, Security(HEADER)],
    login: Annotated[HTTPBasicCredentials | None, Security(BASIC)],
) -> bool:
    """Dependency of the page: whether it may be shown, by a key in the header or as the password of any login."""
    ring = request.app.state.keys.ring
    return ring.is_open or ring.may("read", key) or (login is not None and ring.may("read", login.password))


async def may_write(request: Request, key: Annotated[str | None, Security(HEADER)]) -> str | None:
    """Dependency of routes that take events: the key. Async, so that it waits for no thread of those that answer."""
    request.app.state.keys.check("write", key)
    return key


async def may_administer(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that change what is served."""
    request.app.state.keys.check("admin", key)
    await request.app.state.keys.count_writes(key, 1)
