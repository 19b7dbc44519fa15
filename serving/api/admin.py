"""The admin port: metrics and health, from another event loop than that of the answers, which may be busy or hang."""

import time
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.api.hosts import AllowedHosts
from serving.api.middleware import SafeHeaders
from serving.api.problems import http_problem, problem_of
from serving.config import settings
from serving.errors import NotReadyError, ServingError, StandsStillError
from serving.schemas.health import Health, Served, WorkersHealth, WorkerState


def create_admin(states: Callable[[], list[WorkerState]], metrics: Callable[[], bytes]) -> Starlette:
    """The app, of what tells the states of the workers and all that they count."""
    given = settings()
    patience = given.worker_timeout

    def awake() -> list[WorkerState]:
        """The workers whose event loop has turned lately; StandsStillError where none of those that began does."""
        told = states()
        found = [state for state in told if time.monotonic() - state.told_at < patience]
        if told and not found:
            raise StandsStillError(f"no worker's event loop has turned for {patience:.0f} s")
        return found

    def live(request: Request) -> Response:
        awake()
        return JSONResponse(Health(status="live").model_dump())

    def ready(request: Request) -> Response:
        served: list[Served] = [state.served for state in awake() if state.served]
        if not served:
            raise NotReadyError("warming up")
        return JSONResponse(WorkersHealth(status="ready", workers=served).model_dump())

    def told(request: Request) -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)

    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, ServingError)
        return problem_of(request, error)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return http_problem(request, error, "ask for /health/live, /health/ready or /metrics")

    return Starlette(
        routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", told)],
        middleware=[Middleware(SafeHeaders), Middleware(AllowedHosts, address=given.admin_host)],
        exception_handlers={ServingError: known, HTTPException: http},
    )
