"""Whether a server lives and is warm: in a word for everybody, worker by worker on the admin port."""

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """State of the process."""

    status: Literal["live", "ready"]


class Served(BaseModel):
    """What a worker answers with."""

    catalogue_version: str
    models_version: str
    count_movies: int
    refused: str | None = Field(description="why newer artifacts are not the ones that are served")


class WorkerState(BaseModel):
    """A worker as it tells of itself."""

    told_at: float
    """By time.monotonic(), which all processes of a machine share."""
    served: Served | None
    """None before the warm-up is over."""


class WorkersHealth(Health):
    """State of the server."""

    workers: list[Served]
