"""What a request for a list asks for."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from dbt_project.event_contract import EARLIEST_YEAR, LATEST_YEAR
from dbt_project.genres import known_genres
from serving.rules.models import ItemFilter, RuleSettings
from serving.schemas.events import Id, Name

MOST_FILMS = 100
MOST_CANDIDATES = 1000
Code = Annotated[str, Field(min_length=1, max_length=10, pattern="^[A-Za-z0-9+-]+$")]


def as_features_have_it(name: str) -> str:
    """The genre that is meant; a name that means none stays, and is refused with the genres of the catalogue."""
    meant = known_genres([name])
    return meant[0].name if meant else name


Genre = Annotated[Name, AfterValidator(as_features_have_it)]


class ListQuery(BaseModel):
    """The query of every list."""

    model_config = ConfigDict(extra="forbid")

    n: int = Field(default=10, ge=1, le=MOST_FILMS, description="how many films")
    genre: list[Genre] = Field(default=[], max_length=20, description="films of any of these genres")
    year_from: int | None = Field(default=None, ge=EARLIEST_YEAR, le=LATEST_YEAR)
    year_to: int | None = Field(default=None, ge=EARLIEST_YEAR, le=LATEST_YEAR)
    language: list[Code] = Field(default=[], max_length=20, description="original languages, ISO 639-1")
    certification: list[Code] = Field(default=[], max_length=20, description="no film of which none is known")
    exclude: list[Id] = Field(default=[], max_length=MOST_CANDIDATES, description="films to leave out")
    device: str | None = Field(default=None, max_length=32, pattern="^[a-z]+$", description="for rules: tv, phone, web")
    hour: int | None = Field(default=None, ge=0, le=23, description="asked at this hour, UTC, instead of now")
    explain: bool = Field(default=False, description="say why each film is in the list")
    variant: str | None = Field(
        default=None,
        max_length=64,
        pattern="^[A-Za-z0-9_-]+$",
        description="a variant of the rules; the user's own if left out",
    )

    @property
    def item_filter(self) -> ItemFilter | None:
        """The films that are asked for, None for all."""
        given: dict[str, Any] = {
            "genres": self.genre,
            "languages": self.language,
            "certifications": self.certification,
            "year_from": self.year_from,
            "year_to": self.year_to,
        }
        given = {name: value for name, value in given.items() if value not in (None, [])}
        return ItemFilter.model_validate(given) if given else None

    def settings(self, given: RuleSettings) -> RuleSettings:
        """The settings for the list, made of its variant's."""
        return given

    @property
    def asked_at(self) -> datetime | None:
        """When it is asked, None for now."""
        return None if self.hour is None else datetime.now(UTC).replace(hour=self.hour, minute=0, second=0)


class CandidatesQuery(ListQuery):
    """The query of a list that recall brings."""

    candidates: int | None = Field(default=None, ge=1, le=MOST_CANDIDATES, description="how many are ranked")


class PreviewQuery(CandidatesQuery):
    """A list as it would be with other settings; no request can ask for it, only the page."""

    _changes: dict[str, Any] = PrivateAttr(default_factory=dict)

    def trying(self, changes: dict[str, Any]) -> Self:
        """The same query with changed settings."""
        self._changes = changes
        return self

    def settings(self, given: RuleSettings) -> RuleSettings:
        """The variant's settings with the changes."""
        return RuleSettings.model_validate(given.model_dump() | self._changes)


class ListForUser(ListQuery):
    """The query of a list that is for nobody in particular, or less what somebody has seen."""

    user_id: Id | None = Field(default=None, description="leave out what this user has rated, watched or hidden")


class Stars(BaseModel):
    """A film that a visitor has rated."""

    model_config = ConfigDict(extra="forbid")

    movie_id: Id
    rating: float = Field(default=4.0, ge=0.5, le=5, multiple_of=0.5)


class VisitorBody(BaseModel):
    """Films that somebody without an account has rated, oldest first."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ratings": [{"movie_id": 50, "rating": 5.0}]}]}
    )

    ratings: list[Stars] = Field(min_length=1, max_length=200)


class RerankBody(BaseModel):
    """Films to put in order for a user."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"movie_ids": [50, 172, 1]}]})

    movie_ids: list[Id] = Field(min_length=1, max_length=MOST_CANDIDATES)


QueryOf = Annotated[ListQuery, Query()]
CandidatesOf = Annotated[CandidatesQuery, Query()]
