"""Who may write: API keys from the environment; and how often each key, and each client without one, may ask."""

import hashlib
import hmac
import math
import os
import time
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter

from dbt_project.errors import CineFeastError
from serving.api.rate_limit import Windows
from serving.errors import NoKeyError, TooManyError

WRITE_KEYS, ADMIN_KEYS = "CINEFEAST_WRITE_KEYS", "CINEFEAST_ADMIN_KEYS"
"""Keys between commas; an admin's key may write, too. Without any nobody may."""
RATE, READ_RATE = "CINEFEAST_RATE_LIMIT", "CINEFEAST_READ_LIMIT"
SHORTEST = 16
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description=f"one of ${WRITE_KEYS} or ${ADMIN_KEYS}")


class Keys:
    """The keys of the environment when the server started."""

    def __init__(self) -> None:
        admin, write = (self._given(name) for name in (ADMIN_KEYS, WRITE_KEYS))
        self._may = {"write": [*write, *admin], "admin": admin}
        self._rate, self._read_rate = rate(RATE, "100/second"), rate(READ_RATE, "1000/second")
        self._asked = MovingWindowRateLimiter(MemoryStorage())
        self._windows = Windows()
        self._read = FixedWindowRateLimiter(self._windows)

    @staticmethod
    def _given(name: str) -> list[bytes]:
        keys = [key.strip().encode() for key in os.environ.get(name, "").split(",") if key.strip()]
        if any(len(key) < SHORTEST for key in keys):
            raise CineFeastError(
                f"a key of {name} is shorter than {SHORTEST} characters",
                f"export {name}=$(python3 -c 'import secrets; print(secrets.token_urlsafe())')",
            )
        return keys

    def check(self, may: str, given: str | None) -> None:
        """NoKeyError where the key may not do this, TooManyError where it asks too often."""
        if not self._is_known(may, given):
            raise NoKeyError(f"this needs a key that may {may}")
        hit(self._asked, self._rate, digest(given), "with this key")

    def count(self, given: str | None, address: str) -> None:
        """TooManyError where a key asks for anything too often, or an address that sent none."""
        if given and self._is_known("write", given):
            hit(self._read, self._read_rate, digest(given), "with this key")
        else:
            hit(self._read, self._read_rate, address, "from this address")

    def _is_known(self, may: str, given: str | None) -> bool:
        sent = (given or "").encode("utf-8", "replace")
        # every key is compared, in constant time: how long it takes tells nothing
        return bool(sum(hmac.compare_digest(sent, key) for key in self._may[may]))


def rate(setting: str, otherwise: str) -> RateLimitItem:
    """The rate that the environment sets; CineFeastError where it is none."""
    given = os.environ.get(setting) or otherwise
    try:
        return parse(given)
    except ValueError:
        raise CineFeastError(f"{setting}={given!r} is no rate", f"export {setting}={otherwise}") from None


def hit(limiter: RateLimiter, most: RateLimitItem, who: str, told: str) -> None:
    """Count a request; TooManyError, which says when to come again, where it is one too many."""
    if not limiter.hit(most, who):
        error = TooManyError(f"more than {most} requests {told}")
        error.retry_after = max(1, math.ceil(limiter.get_window_stats(most, who).reset_time - time.time()))
        raise error


def digest(key: str | None) -> str:
    """What stands for a key in memory."""
    return hashlib.sha256((key or "").encode("utf-8", "replace")).hexdigest()


async def may_write(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that take events. Async, so that it waits for no thread of those that answer."""
    request.app.state.keys.check("write", key)


async def may_administer(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that change what is served."""
    request.app.state.keys.check("admin", key)
