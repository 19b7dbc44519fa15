"""Who may do what, by API keys; and how often each key, and each client without one, may ask."""

import hashlib
import math
import time
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials
from limits import RateLimitItem, parse
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from serving.api.rate_limit import Windows
from serving.config import settings
from serving.errors import NoKeyError, TooManyError
from serving.keys import KeyRing, Scope

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
    """The keys in force, and how often each may be used."""

    def __init__(self) -> None:
        given = settings()
        self.ring = KeyRing()
        self._rate, self._read_rate = parse(given.rate_limit), parse(given.read_limit)
        self._windows = Windows()
        self._asked, self._read = FixedWindowRateLimiter(Windows()), FixedWindowRateLimiter(self._windows)

    def check(self, scope: Scope, given: str | None) -> None:
        """NoKeyError where the key may not do this, TooManyError where it changes something too often."""
        if not self.ring.may(scope, given):
            raise NoKeyError(f"this needs a key that may {scope}")
        if scope != "read":  # which `count` counts
            hit(self._asked, self._rate, digest(given), "with this key")

    def check_change(self, path: str, given: str | None) -> None:
        """NoKeyError where a path changes something and the key may not, as its route will say again."""
        for prefix, scope in CHANGES.items():
            if path.startswith(prefix) and not self.ring.may(scope, given):
                raise NoKeyError(f"this needs a key that may {scope}")

    def count(self, given: str | None, address: str) -> None:
        """TooManyError where a key asks for anything too often, or an address that sent none."""
        if given and self.ring.may("read", given):
            hit(self._read, self._read_rate, digest(given), "with this key")
        else:
            hit(self._read, self._read_rate, address, "from this address")


def hit(limiter: RateLimiter, most: RateLimitItem, who: str, scope: str) -> None:
    """Count a request; TooManyError, which says when to come again, where it is one too many."""
    if not limiter.hit(most, who):
        error = TooManyError(f"more than {most} requests {scope}")
        error.retry_after = max(1, math.ceil(limiter.get_window_stats(most, who).reset_time - time.monotonic()))
        raise error


def digest(key: str | None) -> str:
    """What stands for a key in memory."""
    return hashlib.sha256((key or "").encode("utf-8", "replace")).hexdigest()


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


async def may_write(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that take events. Async, so that it waits for no thread of those that answer."""
    request.app.state.keys.check("write", key)


async def may_administer(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that change what is served."""
    request.app.state.keys.check("admin", key)
