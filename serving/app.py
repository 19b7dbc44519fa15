"""The HTTP API: recommendations, health and metrics. Run as: cinefeast serve."""

import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.metrics import Metrics
from serving.problems import MEDIA_TYPE, NotReadyError, add_handlers
from serving.recommender import Recommender
from serving.schemas import Answer, Health, Problem

LARGEST_ID = 2**63 - 1


def responses(**problems: str) -> dict[int | str, dict[str, Any]]:
    """The problems of a route for OpenAPI: responses(s503="the store is down")."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {int(status[1:]): {"description": why, "content": content} for status, why in problems.items()}


class Service:
    """What the routes share: the recommender once it is warm, the metrics, and why the warm-up failed."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.failure: Exception | None = None
        self._recommender: Recommender | None = None

    @property
    def recommender(self) -> Recommender:
        """The warm recommender; NotReadyError before."""
        if self._recommender is None:
            raise NotReadyError
        return self._recommender

    def warm_up(self, load: Callable[[], Recommender]) -> None:
        """Load everything and answer once, so that the first request finds nothing cold."""
        recommender = load()
        known = recommender.known_users()["user_id"].to_pylist()
        recommender.answer(known[0] if known else 0, 10)
        # What is loaded lives as long as the process: keep the collector from walking it during requests.
        gc.collect()
        gc.freeze()
        version = recommender.catalogue.version
        self.metrics.catalogue_movies.labels(version).set(recommender.catalogue.table.num_rows)
        self._recommender = recommender


def create_app(load: Callable[[], Recommender], done: Callable[[Service], None]) -> FastAPI:
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
        threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
        yield

    app = FastAPI(
        title="CineFeast",
        version="1",
        description="Film recommendations from Feast's online features.",
        lifespan=lifespan,
    )
    app.state.service = service
    add_handlers(app)
    add_health(app, service)
    add_recommendations(app, service)
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
        responses=responses(s503="warming up"),
    )
    async def ready() -> Health:
        catalogue = service.recommender.catalogue
        movies = catalogue.table.num_rows
        return Health(status="ready", catalogue_version=catalogue.version, count_movies=movies)

    @app.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def add_recommendations(app: FastAPI, service: Service) -> None:
    """/v1/users/{user_id}/recommendations."""

    # A sync handler: FastAPI runs it in its thread pool, and NumPy and Torch release the GIL while they work.
    @app.get(
        "/v1/users/{user_id}/recommendations",
        tags=["recommendations"],
        summary="Films for a user, best first, without those the user has seen",
        responses=responses(s422="a value out of range", s503="warming up, or the online store is down"),
    )
    def recommendations(
        user_id: Annotated[int, Path(ge=0, le=LARGEST_ID, examples=[196])],
        n: Annotated[int, Query(ge=1, le=100, description="how many films")] = 10,
        explain: Annotated[bool, Query(description="say why each film is in the list")] = False,
    ) -> Answer:
        metrics = service.metrics
        with metrics.stage("total"):
            answer = service.recommender.answer(user_id, n, explain, metrics.stage)
        cold = answer.strategy == "popularity"
        metrics.requests.labels("cold" if cold else "ok").inc()
        if cold:
            metrics.cold_answers.inc()
        return answer
