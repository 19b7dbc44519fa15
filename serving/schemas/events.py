"""What the API takes in: events of users and changes of films, and what it says of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from dbt_project import genres
from dbt_project.event_contract import EARLIEST_YEAR, LARGEST_ID, LATEST_YEAR, moment_problem

MOST_EVENTS = 1000
EVENT: dict[str, Any] = {
    "event_id": "web-2026-01-31-000017",
    "kind": "rating",
    "user_id": 196,
    "movie_id": 50,
    "rating": 4.5,
    "occurred_at": "2026-01-31T20:15:00Z",
}
FILM: dict[str, Any] = {
    "title": "The Long Harvest",
    "release_year": 2026,
    "genre_names": ["Drama"],
    "original_language": "en",
    "director_name": "A. Field",
    "certification": "PG",
}

Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]
StrictId = Annotated[Id, Field(strict=True)]
"""In a body, where a number is told from a text that looks like one."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x1f\s][^\x00-\x1f]*$")]
"""Of one line, and not of blanks alone."""


class Event(BaseModel):
    """Something that a user did with a film."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EVENT]})

    event_id: str = Field(
        min_length=1, max_length=64, pattern="^[A-Za-z0-9._:-]+$", description="sent again, it counts once"
    )
    kind: Literal["rating", "watch", "click", "hide"]
    user_id: StrictId
    movie_id: StrictId
    rating: float | None = Field(
        default=None, strict=True, ge=0.5, le=5, multiple_of=0.5, description="of a rating alone"
    )
    occurred_at: AwareDatetime = Field(
        default_factory=lambda: datetime.now(UTC),
        description="with a time zone, from 1995 on and not in the future; now if left out",
    )

    @field_validator("occurred_at")
    @classmethod
    def _can_be(cls, event_time: datetime, info: ValidationInfo) -> datetime:
        # what was accepted stays so: the clock may have been set back since
        if not (info.context or {}).get("accepted") and (problem := moment_problem(event_time)):
            raise ValueError(problem)
        return event_time.astimezone(UTC)

    @model_validator(mode="after")
    def _rating_of_a_rating(self) -> Self:
        if (self.kind == "rating") != (self.rating is not None):
            raise ValueError("a rating has a rating, and nothing else has one")
        return self


class Events(BaseModel):
    """Events in bulk: all are taken, or none."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events": [EVENT]}]})

    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)


class Receipt(BaseModel):
    """What became of the events: all of them are on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accepted": 1, "repeated": 0, "online": True}]})

    accepted: int = Field(description="events that are new")
    repeated: int = Field(description="events whose id was accepted before")
    online: bool = Field(description="whether the next answer knows of them; if not, it will as soon as it can")


class FilmChange(BaseModel):
    """What is told of a film from now on: the title, and whatever else is named. The rest stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [FILM]})

    title: Name
    release_year: int | None = Field(default=None, ge=EARLIEST_YEAR, le=LATEST_YEAR)
    genre_names: list[Name] = Field(default=[], max_length=20, description="all of them; TMDb's names will do")
    original_language: str | None = Field(default=None, pattern="^[a-z]{2}$", description="ISO 639-1")
    director_name: Name | None = None
    certification: str | None = Field(default=None, min_length=1, max_length=10, pattern="^[A-Za-z0-9+-]+$")

    @field_validator("genre_names")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        return genres.told(names)


class FilmState(BaseModel):
    """What was changed; it is on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"movie_id": 9001, "is_retired": False}]})

    movie_id: int
    is_retired: bool
