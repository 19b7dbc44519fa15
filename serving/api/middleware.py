"""What a request passes before a route sees it: limits on its client, on requests at a time, on bodies."""

import asyncio
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.auth import HEADER, Keys
from serving.api.costs import cost_of
from serving.api.problems import problem_of
from serving.errors import NoKeyError, OverloadedError, ServingError, TooLargeError, TooManyError, TooSlowError

MOST_BYTES = 1_000_000
AT_ONCE = 0.1
"""Seconds in which a body is there that was sent with its header."""
NOTHING = "default-src 'none'; frame-ancestors 'none'"
DOCS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'"
)
"""Content security policies; Swagger UI starts in the page and has styles there."""


def is_limited(scope: Scope) -> bool:
    """Whether it costs something to answer: the API and the page, not health, metrics and documentation."""
    return scope["type"] == "http" and (scope["path"] == "/" or scope["path"].startswith("/v1/"))


class HeadAsGet:
    """ASGI middleware: HEAD is answered wherever GET is, with the same headers and no body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a HEAD on as a GET, and keep the body of its answer."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        return await self.app({**scope, "method": "GET"}, receive, without_body)


class ClientLimit:
    """ASGI middleware: a client that asks for more than it may is answered with 429, and one that wants to change
    something without a key with 401, before its body is read."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if its client may ask now."""
        if is_limited(scope):
            request = Request(scope)
            try:
                key = request.headers.get(HEADER.model.name)
                address = request.client.host if request.client else ""
                await self.keys.count(key, address, cost_of(scope["path"]))
                if scope["method"] not in ("GET", "HEAD"):
                    self.keys.check_change(scope["path"], key)
            except (TooManyError, NoKeyError) as error:
                return await problem_of(request, error)(scope, receive, send)
        return await self.app(scope, receive, send)


class RequestLimit:
    """ASGI middleware: one request more than `most` is answered with 503 at once. Health and metrics always pass.

    Events are counted apart from answers: however many of them wait, answers pass, and the other way round.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most
        self.running = {"events": 0, "answers": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if there is room."""
        if not is_limited(scope):
            return await self.app(scope, receive, send)
        lane = "events" if scope["path"].startswith("/v1/events") else "answers"
        if self.running[lane] >= self.most:
            error = OverloadedError(f"{self.running[lane]} requests are being answered")
            return await problem_of(Request(scope), error)(scope, receive, send)
        self.running[lane] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running[lane] -= 1
        return None


class WholeBody:
    """ASGI middleware: hands a request on once its body is there, so that a slow sender holds nothing else up.

    A body that is longer than MOST_BYTES is answered with 413 and read no further, one that is not there after
    `seconds` with 408. More than `most` that are awaited are answered with 503.
    """

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self.app, self.most, self.seconds = app, most, seconds
        self.awaited = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with its whole body."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        try:
            body = await self._body(receive)
        except ServingError as error:
            response = problem_of(Request(scope), error)
            response.headers["Connection"] = "close"  # the rest of it is not awaited
            return await response(scope, receive, send)
        if body is None:
            return None
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        return await self.app(scope, again, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """All of it; None where the sender has gone. What is there at once is not counted as awaited."""
        body = bytearray()
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_ONCE):
                return await read_body(receive, body)
        if self.awaited >= self.most:
            raise OverloadedError(f"{self.awaited} bodies are awaited")
        self.awaited += 1
        try:
            async with asyncio.timeout(self.seconds):
                return await read_body(receive, body)
        except TimeoutError:
            raise TooSlowError(f"the body was not there after {self.seconds:.0f} s") from None
        finally:
            self.awaited -= 1


async def read_body(receive: Receive, body: bytearray) -> bytes | None:
    """Put the rest of a request's body to what is there; None where the sender has gone, TooLargeError if too long."""
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            raise TooLargeError(f"the body is longer than {MOST_BYTES:,} bytes")
    return bytes(body)


class SafeHeaders:
    """ASGI middleware: every answer says that it is of its own type and no other, and what it may load: nothing, unless
    it says so itself or is the documentation, which is all of this server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers."""

        async def typed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Content-Security-Policy", DOCS if scope["path"] == "/docs" else NOTHING)
            await send(message)

        await self.app(scope, receive, typed)
