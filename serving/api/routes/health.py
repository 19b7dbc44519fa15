"""Whether the server lives and is warm, in a word; the admin port says more."""

from fastapi import FastAPI

from serving.api.problems import responses
from serving.runtime.service import Service
from serving.schemas.health import Health


def add_health(app: FastAPI, service: Service) -> None:
    """/health/live and /health/ready: async, so that they answer when all threads wait for the store."""

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
        _ = service.recommender  # which is not there before
        return Health(status="ready")
