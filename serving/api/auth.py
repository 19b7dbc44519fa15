"""Who may write: API keys; and how often each key, and each client without one, may ask."""

import hashlib
import hmac
import math
import time
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter

from serving.api.rate_limit import Windows
from serving.config import keys, settings
from serving.errors import NoKeyError, TooManyError

HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="one of $CINEFEAST_WRITE_KEYS or $CINEFEAST_ADMIN_KEYS"
)


class Keys:
    """The keys that were set when the server started, and their limits; an admin's key may write, too."""

    def __init__(self) -> None:
        given = settings()
        admin, write = keys(given.admin_keys), keys(given.write_keys)
        self._may = {"write": [*write, *admin], "admin": admin}
        self._rate, self._read_rate = parse(given.rate_limit), parse(given.read_limit)
        self._asked = MovingWindowRateLimiter(MemoryStorage())
        self._windows = Windows()
        self._read = FixedWindowRateLimiter(self._windows)

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


def hit(limiter: RateLimiter, most: RateLimitItem, who: str, scope: str) -> None:
    """Count a request; TooManyError, which says when to come again, where it is one too many."""
    if not limiter.hit(most, who):
        error = TooManyError(f"more than {most} requests {scope}")
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
