"""The rules that every list obeys, after the models: what the TOML file may say."""

import hashlib
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dbt_project import genres
from dbt_project.whole_numbers import LARGEST

CONTROL = "control"


def one_genre(name: str) -> str:
    """The name that features have of a genre; ValueError where none is meant."""
    meant = genres.told([name])
    if not meant:
        raise ValueError(f"{name!r} names no genre; known: {', '.join(genres.genre_names())}")
    return meant[0]


GenreName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_genre)]
"""A genre's name, TMDb's or in another case, too; what is kept is the name that features have."""


class Part(BaseModel):
    """A part of the file: nothing that is not known, nothing that is not documented."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ItemFilter(Part):
    """Films: those that fit everything that is given."""

    movie_ids: frozenset[int] = frozenset()
    """These films."""
    genres: frozenset[GenreName] = frozenset()
    """Films of any of these genres."""
    directors: frozenset[str] = frozenset()
    """Films whose first director is one of these."""
    languages: frozenset[str] = frozenset()
    """Films of any of these original languages, ISO 639-1."""
    certifications: frozenset[str] = frozenset()
    """Films of any of these certifications."""
    year_from: int | None = None
    """Films of this year or later."""
    year_to: int | None = None
    """Films of this year or earlier."""

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        if type(self) is ItemFilter and not self.model_fields_set:
            raise ValueError("names no film: give movie_ids, genres, directors, languages, certifications or years")
        return self


class Pin(Part):
    """A film at a fixed place, for everyone who has not seen or hidden it."""

    movie_id: int = Field(ge=0, le=LARGEST)
    """The film."""
    place: int = Field(ge=1)
    """Its place, from 1."""


class Boost(ItemFilter):
    """Films that are moved up or down."""

    add: float = Field(ge=-1, le=1)
    """Added to a relevance between 0, the last candidate's, and 1, the first's."""
    device: str | None = None
    """Only in answers for this device."""


class Caps(Part):
    """How many films of a list may share something; null for any number."""

    genre: int | None = Field(default=None, ge=1)
    """Of one genre; a film counts for its first."""
    director: int | None = Field(default=None, ge=1)
    """Of one director."""
    collection: int | None = Field(default=None, ge=1)
    """Of one collection."""


class RuleSettings(Part):
    """What may differ between variants."""

    candidates: int = Field(default=500, ge=1, le=1000)
    """Candidates that are merged and ranked."""
    ranked: bool = True
    """Whether the ranker orders them; recall's order if not."""
    disabled_channels: frozenset[str] = frozenset()
    """Channels that are not asked."""
    hide: list[ItemFilter] = []
    """Films that no list shows."""
    pins: list[Pin] = []
    """Films at fixed places."""
    boosts: list[Boost] = []
    """Films that are moved up or down."""
    caps: Caps = Caps()
    """How many films of a list may share something."""
    diversity: float = Field(default=0.0, ge=0, le=1)
    """How much likeness to films above counts against a film (MMR: Carbonell and Goldstein, SIGIR 1998)."""
    exploration: float = Field(default=0.0, ge=0, le=0.5)
    """Share of a list, from its end, that is drawn from the candidates below it, anew every day."""
    clicked: float = Field(default=0.1, ge=0, le=1)
    """What likeness to a film that the user clicked adds to a relevance."""


class Variant(Part):
    """One of several configurations that users are divided among."""

    traffic_weight: float = Field(ge=0, allow_inf_nan=False)
    """Its users, in relation to the other weights."""
    settings: dict[str, Any] = {}
    """What differs from the rules for all."""


class Rules(Part):
    """The file."""

    salt: str = ""
    """Another salt divides the users anew."""
    everywhere: RuleSettings = RuleSettings()
    """The rules for all."""
    variants: dict[str, Variant] = {CONTROL: Variant(traffic_weight=1)}
    """Whom else they are for, by name."""

    @model_validator(mode="after")
    def _variants_can_be(self) -> Self:
        if not sum(variant.traffic_weight for variant in self.variants.values()) > 0:
            raise ValueError("no variant has a traffic_weight above 0")
        for name in self.variants:
            self.of(name)
        return self

    def of(self, name: str) -> RuleSettings:
        """A variant's settings."""
        given = self.everywhere.model_dump(exclude_unset=True)
        changed = self.variants[name].settings
        RuleSettings.model_validate(changed)
        hidden = [*given.get("hide", []), *changed.get("hide", [])]  # a variant hides more, never less
        return RuleSettings.model_validate(given | changed | {"hide": hidden})

    def assigned(self, user_id: int) -> str:
        """The variant of a user: always the same, as long as salt and weights are."""
        digest = hashlib.sha256(f"{self.salt}:{user_id}".encode()).digest()
        at = int.from_bytes(digest[:8], "big") / 2**64 * sum(v.traffic_weight for v in self.variants.values())
        for name, variant in self.variants.items():
            at -= variant.traffic_weight
            if at < 0:
                return name
        return name
