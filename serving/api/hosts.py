"""Under which names a port answers: a page elsewhere can let a name of its own mean this machine (DNS rebinding), and
its browser would then read answers that are for this machine alone."""

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.problems import problem_of
from serving.config import listed, settings
from serving.errors import HostError
from serving.runtime.listener import EVERY_ADDRESS

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SHOWN = 100
"""Characters of a name that are told back."""


def names_of(address: str) -> list[str]:
    """The names of a port that listens on this address: loopback's, which mean nothing else anywhere, the address, and
    those of the settings."""
    own = [] if address in EVERY_ADDRESS else [f"[{address}]" if ":" in address else address]
    return [*LOOPBACK, *own, *listed(settings().allowed_hosts)]


class AllowedHosts:
    """ASGI middleware: a request with another Host than those of `address` is answered with 400."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        self.app = app
        self._check = TrustedHostMiddleware(note, names_of(address), www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if its host is ours."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        seen = {**scope, "is_ours": False}
        await self._check(seen, receive, drop)
        if seen["is_ours"]:
            return await self.app(scope, receive, send)
        request = Request(scope)
        name = request.headers.get("host", "")[:SHOWN]
        error = HostError(f"nothing here is called {name!r}" if name else "no name of the server was sent as Host")
        return await problem_of(request, error)(scope, receive, send)


async def note(scope: Scope, receive: Receive, send: Send) -> None:
    """What Starlette hands a request on to whose host it trusts."""
    scope["is_ours"] = True


async def drop(message: Message) -> None:
    """Its own answer to others, which says nothing of what to do."""
