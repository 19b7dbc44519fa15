"""Every error of the API as application/problem+json (RFC 9457): what went wrong and what to do next."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.features import OnlineStoreError
from serving.schemas import Problem

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("cinefeast")


class NotReadyError(Exception):
    """A request came before the warm-up was over."""


def problem(request: Request, kind: str, status: int, detail: str, next_step: str | None = None) -> JSONResponse:
    """One problem document; `kind` is the words of its urn, "not-ready"."""
    body = Problem(
        type=f"urn:cinefeast:problem:{kind}",
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        next=next_step,
        instance=request.url.path,
    )
    count_failure(request, status)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def count_failure(request: Request, status: int) -> None:
    """Count a request for recommendations that ended in a problem."""
    if request.url.path.startswith("/v1/"):
        outcome = {404: "invalid", 422: "invalid", 503: "unavailable"}.get(status, "error")
        request.app.state.service.metrics.requests.labels(outcome).inc()


def add_handlers(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(f"{mistake['loc'][-1]}={mistake['input']!r}: {mistake['msg']}" for mistake in error.errors())
        return problem(request, "invalid-request", 422, detail, "see /docs for the allowed values")

    @app.exception_handler(OnlineStoreError)
    def unavailable(request: Request, error: OnlineStoreError) -> JSONResponse:
        return problem(request, "online-store-unavailable", 503, error.what, error.next_command)

    @app.exception_handler(NotReadyError)
    def not_ready(request: Request, error: NotReadyError) -> JSONResponse:
        return problem(request, "not-ready", 503, "warming up", "ask again when /health/ready is 200")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        kind = "not-found" if error.status_code == 404 else "http-error"
        return problem(request, kind, error.status_code, str(error.detail), "see /docs for what can be asked")

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.exception("unexpected error at %s", request.url.path)
        return problem(request, "internal-error", 500, "an error of the server; its log has the details")
