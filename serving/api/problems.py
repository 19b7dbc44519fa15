"""Every error of the API as application/problem+json (RFC 9457): what went wrong and what to do next."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.errors import (
    ErasedError,
    HostError,
    InvalidError,
    NoKeyError,
    NotFoundError,
    NotReadyError,
    NotWrittenError,
    OnlineStoreError,
    OverloadedError,
    ServingError,
    StandsStillError,
    TooLargeError,
    TooManyError,
    TooSlowError,
)
from serving.schemas.responses import Problem
from serving.telemetry.places import without_places

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("cinefeast")


PROBLEMS: dict[type[ServingError], tuple[str, int]] = {
    NotReadyError: ("not-ready", 503),
    StandsStillError: ("standing-still", 503),
    OverloadedError: ("overloaded", 503),
    NotWrittenError: ("not-written", 503),
    NotFoundError: ("not-found", 404),
    ErasedError: ("user-erased", 410),
    HostError: ("host-not-allowed", 400),
    InvalidError: ("invalid-request", 422),
    NoKeyError: ("key-needed", 401),
    TooManyError: ("too-many-requests", 429),
    TooLargeError: ("body-too-large", 413),
    TooSlowError: ("body-too-slow", 408),
}
"""Each error's words of its urn, and its status."""


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route for OpenAPI, beside 422, which every route may answer."""
    whys = {
        401: "no key that may do this",
        404: "no such thing",
        410: "the user was erased",
        413: "body above the limit",
        422: "a value out of range",
        429: "more requests than the client may send",
        503: "warming up, too many requests, or the online store is down",
    }
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": whys[status], "content": content} for status in (422, *statuses)}


def status_of(error: ServingError) -> int:
    """The status that the error is answered with."""
    return PROBLEMS[type(error)][1]


def problem_of(request: Request, error: ServingError) -> JSONResponse:
    """The error's problem document."""
    kind, status = PROBLEMS[type(error)]
    return problem(request, kind, status, error.detail, error.next_step, error.retry_after)


def problem(
    request: Request, kind: str, status: int, detail: str, next_step: str | None = None, retry_after: int | None = None
) -> JSONResponse:
    """One problem document; `kind` is the words of its urn, "not-ready"."""
    body = Problem(
        type=f"urn:cinefeast:problem:{kind}",
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=without_places(detail),
        next=next_step,
        instance=request.url.path,
    )
    count_failure(request, status)
    # here too: of an unexpected error the answer passes none of our middleware
    headers = {"X-Content-Type-Options": "nosniff"} | ({"Retry-After": str(retry_after)} if retry_after else {})
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def http_problem(request: Request, error: HTTPException, next_step: str) -> JSONResponse:
    """What the framework says of a request, as a path that there is not, as a problem document."""
    kind = "not-found" if error.status_code == 404 else "http-error"
    return problem(request, kind, error.status_code, str(error.detail), next_step)


def count_failure(request: Request, status: int) -> None:
    """Count a request that ended in a problem; the app of the admin port counts none."""
    service = getattr(request.app.state, "service", None)
    if service and request.url.path.startswith("/v1/"):
        outcome = {500: "error", 503: "unavailable"}.get(status, "invalid")
        service.metrics.requests.labels(outcome).inc()


def add_handlers(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(f"{mistake['loc'][-1]}={mistake['input']!r}: {mistake['msg']}" for mistake in error.errors())
        # what was sent may hold halves of characters, which no answer can
        shown = detail.encode("utf-8", "backslashreplace").decode()[:2000]
        return problem(request, "invalid-request", 422, shown, "see /docs for the allowed values")

    @app.exception_handler(OnlineStoreError)
    def unavailable(request: Request, error: OnlineStoreError) -> JSONResponse:
        log.error("%s", error)
        return problem(request, "online-store-unavailable", 503, error.what, "ask again; the server's log says more", 1)

    @app.exception_handler(ServingError)
    def known(request: Request, error: ServingError) -> JSONResponse:
        return problem_of(request, error)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        return http_problem(request, error, "see /docs for what can be asked")

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error at %s", request.url.path, exc_info=error)
        return problem(request, "internal-error", 500, "an error of the server; its log has the details")
