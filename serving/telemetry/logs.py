"""Logs as JSON, a line each, with the id of the request that they belong to."""

import json
import logging
import re
import sys
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
HEADER = "X-Request-ID"
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = "/health/"
log = logging.getLogger("cinefeast.requests")


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, request id, and what was given as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        payload: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            payload["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in payload.items() if value is not None}, default=str)


def log_as_json() -> None:
    """Send every log of this process to stderr so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("cinefeast").setLevel(logging.INFO)


class RequestLog:
    """ASGI middleware: gives each request an id, or takes the sender's, answers with it and logs what came of it.

    Queries, bodies and headers are not logged: keys and what people watch stay out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get(HEADER, "")
        mine = given if ID.fullmatch(given) else uuid.uuid4().hex
        request_id.set(mine)
        status, began = 500, time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = mine
            await send(message)

        try:
            await self.app(scope, receive, named)
        finally:
            if not scope["path"].startswith(QUIET):
                seconds = round(time.perf_counter() - began, 4)
                fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": seconds}
                log.info("answered", extra={"fields": fields})
        return None
