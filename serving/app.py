"""The HTTP API: recommendations, health and metrics. Run as: cinefeast serve."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.budget import Stages
from serving.gates import BodyLimit, ClientLimit, RequestLimit, most_requests
from serving.logs import RequestLog
from serving.problems import add_handlers, responses
from serving.recommender import Recommender
from serving.routes.events import add_events
from serving.routes.films import add_films
from serving.routes.lists import add_lists
from serving.routes.page import add_page
from serving.routes.users import add_users
from serving.schemas import Health
from serving.service import Service

THREADS = 4
"""Requests that are worked on at a time, the others wait: more of them only hand the interpreter lock to and fro."""


def create_app(load: Callable[[Stages], Recommender], done: Callable[[Service], None]) -> FastAPI:
    """The app. It answers /health/live at once and warms up beside; `done` is called when that ends."""
    service = Service()

    def warm_up() -> None:
        try:
            service.warm_up(load)
        except Exception as error:
            service.failure = error
        done(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
        yield
        service.close()

    app = FastAPI(
        title="CineFeast",
        version="1",
        description="Film recommendations from Feast's online features.",
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestLimit, most=most_requests())
    app.add_middleware(ClientLimit, keys=service.keys)
    app.add_middleware(RequestLog)  # the last one added sees a request first
    add_handlers(app)
    for add in (add_health, add_page, add_lists, add_users, add_events, add_films):
        add(app, service)
    return app


def add_health(app: FastAPI, service: Service) -> None:
    """/health/live, /health/ready and /metrics: async, so that they answer when all threads wait for the store."""

    @app.get("/health/live", tags=["health"], summary="The process answers")
    async def live() -> Health:
        return Health(status="live")

    @app.get(
        "/health/ready",
        tags=["health"],
        summary="Models and films are in memory and one recommendation was computed",
        responses=responses(503),
    )
    async def ready() -> Health:
        recommender = service.recommender
        return Health(
            status="ready",
            catalogue_version=recommender.catalogue.version,
            models_version=recommender.version,
            count_movies=recommender.catalogue.table.num_rows,
            refused=service.refused,
        )

    @app.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
