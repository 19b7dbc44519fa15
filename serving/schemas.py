"""What the HTTP API answers with: the response models and their examples."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ITEM: dict[str, Any] = {
    "rank": 1,
    "movie_id": 50,
    "title": "Star Wars",
    "year": 1977,
    "genres": ["Action", "Adventure", "Sci-Fi"],
    "score": 2.41,
    "reasons": {
        "channels": {"item_cf": 1, "two_tower": 4},
        "because_you_watched": [{"movie_id": 172, "title": "The Empire Strikes Back"}],
        "shared_director": None,
        "shared_genres": ["Action", "Sci-Fi"],
    },
}
KNOWN: dict[str, Any] = {
    "user_id": 196,
    "strategy": "two_stage",
    "reason": None,
    "catalogue_version": "6f1d2c9b04aa",
    "items": [ITEM],
}
UNKNOWN: dict[str, Any] = {
    "user_id": 999,
    "strategy": "popularity",
    "reason": "user 999 has no features online",
    "catalogue_version": "6f1d2c9b04aa",
    "items": [{**ITEM, "score": 583.0, "reasons": {"channels": {"popularity": 1}}}],
}


class Film(BaseModel):
    """A film by id and title."""

    movie_id: int
    title: str | None = Field(description="null where the catalogue has no title for the film")


class Reasons(BaseModel):
    """Why a film is in the list."""

    channels: dict[str, int] = Field(description="recall channel -> the film's rank in it, from 1")
    because_you_watched: list[Film] = Field(default=[], description="films of the user that led to this one")
    shared_director: str | None = Field(default=None, description="director of this film and a recent one")
    shared_genres: list[str] = Field(default=[], description="genres of the film that the user watches most")


class Item(BaseModel):
    """One recommended film. `score` orders films of one answer; it means nothing between answers."""

    rank: int = Field(description="place in this answer, from 1")
    movie_id: int
    title: str | None
    year: int | None
    genres: list[str] = []
    score: float
    reasons: Reasons | None = Field(default=None, description="null unless explain=true")


class Answer(BaseModel):
    """Recommendations for one user, best first, none of them seen by the user."""

    model_config = ConfigDict(json_schema_extra={"examples": [KNOWN, UNKNOWN]})

    user_id: int
    strategy: Literal["two_stage", "popularity"] = Field(
        description="two_stage: recall and ranking; popularity: the user has no features online"
    )
    reason: str | None = Field(description="why the strategy is not two_stage")
    catalogue_version: str = Field(description="hash of the films' features that the answer was made with")
    items: list[Item]


class Health(BaseModel):
    """State of the process."""

    status: Literal["live", "ready", "starting"]
    catalogue_version: str | None = None
    count_movies: int | None = None


class Problem(BaseModel):
    """An error (RFC 9457): what went wrong and what to do next."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:cinefeast:problem:online-store-unavailable",
                    "title": "Online store unavailable",
                    "status": 503,
                    "detail": "the online store at localhost:6379 does not answer",
                    "next": "start Redis at localhost:6379, then ask again",
                    "instance": "/v1/users/196/recommendations",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    next: str | None = Field(default=None, description="what the reader can do about it")
    instance: str
