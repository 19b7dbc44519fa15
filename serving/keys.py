"""Who may write: API keys from the environment, and how often each may ask."""

import hashlib
import hmac
import os
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dbt_project.errors import CineFeastError
from serving.problems import NoKeyError, TooManyError

WRITE_KEYS, ADMIN_KEYS = "CINEFEAST_WRITE_KEYS", "CINEFEAST_ADMIN_KEYS"
"""Keys between commas; an admin's key may write, too. Without any nobody may."""
RATE = "CINEFEAST_RATE_LIMIT"
SHORTEST = 16
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description=f"one of ${WRITE_KEYS} or ${ADMIN_KEYS}")


class Keys:
    """The keys of the environment when the server started."""

    def __init__(self) -> None:
        admin, write = (self._given(name) for name in (ADMIN_KEYS, WRITE_KEYS))
        self._may = {"write": [*write, *admin], "admin": admin}
        rate = os.environ.get(RATE) or "100/second"
        try:
            self._rate = parse(rate)
        except ValueError:
            raise CineFeastError(f"{RATE}={rate!r} is no rate", f"export {RATE}=100/second") from None
        self._asked = MovingWindowRateLimiter(MemoryStorage())

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
        sent = (given or "").encode("utf-8", "replace")
        # every key is compared, in constant time: how long it takes tells nothing
        if not sum(hmac.compare_digest(sent, key) for key in self._may[may]):
            raise NoKeyError(f"this needs a key that may {may}")
        if not self._asked.hit(self._rate, hashlib.sha256(sent).hexdigest()):
            raise TooManyError(f"more than {self._rate} requests with this key")


def may_write(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that take events."""
    request.app.state.service.keys.check("write", key)


def may_administer(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Dependency of routes that change what is served."""
    request.app.state.service.keys.check("admin", key)
