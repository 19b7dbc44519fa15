"""What the API takes in: events of users and changes of films, and what it says of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

LARGEST_ID = 2**63 - 1
AHEAD = timedelta(minutes=5)
"""How far the clock of a sender may be ahead. A row of a later time would stay online until that time has come."""
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
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


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
        description="with a time zone, from 1970 on and not in the future; now if left out",
    )

    @field_validator("occurred_at")
    @classmethod
    def _can_be(cls, event_time: datetime, info: ValidationInfo) -> datetime:
        if not 1970 <= event_time.year < 2100:
            raise ValueError("is not between 1970 and 2100")
        event_time = event_time.astimezone(UTC)
        if event_time.year < 1970:
            raise ValueError("is before 1970 in UTC")
        # the clock may have been set back since an event was accepted
        if not (info.context or {}).get("accepted") and event_time > datetime.now(UTC) + AHEAD:
            raise ValueError("is in the future")
        return event_time

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
    """A film as it is to be told from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [FILM]})

    title: Name
    release_year: int | None = Field(default=None, ge=1870, le=2100)
    genre_names: list[Name] = Field(default=[], max_length=20)
    original_language: str | None = Field(default=None, pattern="^[a-z]{2}$", description="ISO 639-1")
    director_name: Name | None = None
    certification: str | None = Field(default=None, min_length=1, max_length=10, pattern="^[A-Za-z0-9+-]+$")


class FilmState(BaseModel):
    """What was changed; it is on disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"movie_id": 9001, "is_retired": False}]})

    movie_id: int
    is_retired: bool
