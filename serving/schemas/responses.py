"""What the HTTP API answers with: the response models and their examples."""

from datetime import datetime
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
        "shared_cast": ["Harrison Ford"],
        "shared_genres": ["Action", "Sci-Fi"],
        "score_parts": {"relevance": 0.98, "boost": 0.1, "clicked": 0.0, "likeness": 0.41},
        "rules": ["boost"],
    },
}
KNOWN: dict[str, Any] = {
    "user_id": 196,
    "strategy": "two_stage",
    "reason": None,
    "variant": "control",
    "degraded": [],
    "notes": [],
    "catalogue_version": "6f1d2c9b04aa",
    "versions": {"models": "0c1d5a7be2f4", "features": "b7710aa3f2c1"},
    "items": [ITEM],
}
UNKNOWN: dict[str, Any] = {
    "user_id": 999,
    "strategy": "popularity",
    "reason": "user 999 has no features online",
    "variant": "control",
    "degraded": [],
    "notes": [],
    "catalogue_version": "6f1d2c9b04aa",
    "versions": None,
    "items": [{**ITEM, "score": 583.0, "reasons": {"channels": {"popularity": 1}}}],
}


class Film(BaseModel):
    """A film by id and title."""

    movie_id: int
    title: str | None = Field(description="null where the catalogue has no title for the film")


class Reasons(BaseModel):
    """Why a film is in the list."""

    channels: dict[str, int] = Field(description="recall channel -> the film's rank in it, from 1")
    because_you_watched: list[Film] = Field(default=[], description="films that the user liked, which led to this one")
    shared_director: str | None = Field(default=None, description="director of this film and of one that was liked")
    shared_cast: list[str] = Field(default=[], description="lead actors of this film and of one that was liked")
    shared_genres: list[str] = Field(default=[], description="genres of the film that a third of the films liked have")
    score_parts: dict[str, float] = Field(
        default={}, description="relevance from 0 to 1, what rules and clicks added, likeness to the films above"
    )
    rules: list[str] = Field(default=[], description="pinned, boost, clicked, explored: what moved the film")


class Item(BaseModel):
    """One recommended film. `score` orders films of one answer; it means nothing between answers."""

    rank: int = Field(description="place in this answer, from 1")
    movie_id: int
    title: str | None
    year: int | None
    genres: list[str] = []
    score: float | None = Field(description="null for a film that a rule put there")
    reasons: Reasons | None = Field(default=None, description="null unless explain=true")


Strategy = Literal["two_stage", "recall", "popularity", "trending", "similar", "rerank"]


class Versions(BaseModel):
    """What an answer was made with."""

    models: str = Field(description="hash of the served models, their indexes included")
    features: str = Field(description="hash of the user's features")


class Answer(BaseModel):
    """A list of films, best first, none that the user has rated, watched or hidden."""

    model_config = ConfigDict(json_schema_extra={"examples": [KNOWN, UNKNOWN]})

    user_id: int | None = Field(description="null for a list that is for nobody in particular")
    strategy: Strategy = Field(
        description="two_stage: recall and ranking; recall: its order alone; the others: what was asked for, or "
        "popularity, where nothing is known of the user"
    )
    reason: str | None = Field(description="why it is popularity, where that was not asked for")
    variant: str = Field(description="of the rules")
    degraded: list[str] = Field(description="what was missing, and what stands in its place; empty in a full answer")
    notes: list[str] = Field(description="what rules did that somebody should know, as a rule that empties the list")
    catalogue_version: str = Field(description="hash of the films' features that the answer was made with")
    versions: Versions | None = Field(default=None, description="null unless explain=true")
    items: list[Item]


class FilmDetails(BaseModel):
    """A film as it is known now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "movie_id": 50,
                    "title": "Star Wars",
                    "year": 1977,
                    "genres": ["Action", "Adventure", "Sci-Fi"],
                    "language": "en",
                    "director": "George Lucas",
                    "cast": ["Mark Hamill", "Harrison Ford"],
                    "certification": None,
                    "count_ratings": 583,
                    "is_retired": False,
                    "is_in_models": True,
                }
            ]
        }
    )

    movie_id: int
    title: str | None
    year: int | None
    genres: list[str]
    language: str | None = Field(description="original language, ISO 639-1")
    director: str | None
    cast: list[str] = Field(description="lead actors")
    certification: str | None
    count_ratings: int = Field(description="of all time, events included")
    is_retired: bool = Field(description="whether it is never shown")
    is_in_models: bool = Field(description="whether a model was trained on it; `cinefeast train` takes in the others")


class UserFeatures(BaseModel):
    """A user's features as the models see them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": 196,
                    "version": "b7710aa3f2c1",
                    "last_event_at": "2026-01-31T20:15:00Z",
                    "age_seconds": 86400,
                    "features": {"user_count_ratings": 39, "user_mean_rating": 3.6, "user_recent_movie_ids": [50, 172]},
                }
            ]
        }
    )

    user_id: int
    version: str = Field(description="equal features have equal versions")
    last_event_at: datetime | None = Field(description="of the last rating or other event that they know of")
    age_seconds: int | None = Field(description="since then")
    features: dict[str, Any]


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
