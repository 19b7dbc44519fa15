"""What a request passes before a route sees it: limits on its client, on requests at a time, on the size of bodies."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.auth import HEADER, Keys
from serving.api.problems import problem_of
from serving.errors import OverloadedError, TooLargeError, TooManyError

MOST_BYTES = 1_000_000


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
    """ASGI middleware: a client that asks more often than it may is answered with 429."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if its client may ask now."""
        if is_limited(scope):
            request = Request(scope)
            try:
                self.keys.count(request.headers.get(HEADER.model.name), request.client.host if request.client else "")
            except TooManyError as error:
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


class BodyLimit:
    """ASGI middleware: a longer body is a problem document with 413, and is read no further."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, counting what it brings."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        read = 0
        is_started = False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise OSError("the body is too long")
            return message

        async def unless_too_long(message: Message) -> None:
            nonlocal is_started
            if read <= MOST_BYTES or is_started:  # else it is the routes' word for a body that broke off
                is_started = True
                await send(message)

        await self.app(scope, counted, unless_too_long)
        if not is_started:
            error = TooLargeError(f"the body is longer than {MOST_BYTES:,} bytes")
            await problem_of(Request(scope), error)(scope, receive, send)
        return None
