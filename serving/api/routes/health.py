"""Whether the server lives, whether it is warm, and what it counts."""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.api.problems import responses
from serving.runtime.service import Service
from serving.schemas.responses import Health
from serving.telemetry.places import without_places


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
            refused=without_places(service.refused) if service.refused else None,
        )

    @app.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
