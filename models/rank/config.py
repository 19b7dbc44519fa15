"""What rankers have in common: the features they are given and the samples they learn from."""

import tomllib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dbt_project.errors import CineFeastError
from models.config import CONFIGS, ModelConfig
from models.training import NeuralConfig

SHARED = CONFIGS / "ranking.toml"


class InputConfig(BaseModel):
    """The features of a user and a candidate, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    user_counts: list[str]
    """User features that enter as log(1 + x)."""
    user_numbers: list[str]
    """User features that enter as they are."""
    user_categories: list[str]
    """User features that are one of a few words."""
    film_counts: list[str]
    """Film features that enter as log(1 + x)."""
    film_numbers: list[str]
    """Film features that enter as they are."""
    film_categories: list[str]
    """Film features that are one of a few words."""
    crossed: list[str]
    """Features of the on-demand views."""
    moment: bool
    """Whether hour and weekday are read."""
    people: bool
    """Whether directors and leads are read, as ids."""
    window: int
    """How many of the latest films the history attention reads."""


class SampleSettings(BaseModel):
    """What a ranker learns from: a film rated, and others that the user might have chosen then."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pool: int
    """Negatives out of what recall brings at that moment: the hard ones."""
    popular: int
    """Negatives drawn by how often films were rated, to the power .75."""
    genre: int
    """Negatives that share a genre with the film rated."""
    uniform: int
    """Negatives out of all films."""
    low: int
    """Negatives that the user has rated low before; what a user lacks of these is taken from the pool."""
    low_rating: float
    """Up to this rating a film is rated low."""
    liked: float
    """From this rating on a film rated is a positive; those rated lower are left out. 0.5: whatever is watched."""
    events: int
    """At most so many events of the validation window, the latest."""
    shard: int
    """Events that are worked on at once: memory is that of a shard in each process."""

    @property
    def negatives(self) -> int:
        """Negatives for each positive."""
        return self.pool + self.popular + self.genre + self.uniform + self.low


class RankConfig(ModelConfig):
    """Configuration of a ranker: its own file and, beneath it, what configs/ranking.toml says for all."""

    inputs: InputConfig
    """The features that are read."""
    samples: SampleSettings
    """The samples that are learnt from."""

    @classmethod
    def read(cls, name: str) -> Self:
        """The ranker's file over the shared one; CineFeastError when one is missing or wrong."""
        path = CONFIGS / f"{name}.toml"
        try:
            found: dict[str, Any] = tomllib.loads(SHARED.read_text(encoding="utf-8"))
            return cls.model_validate(found | tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise CineFeastError(f"no configuration {path}", "cinefeast train --help") from None
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise CineFeastError(f"{path}: {' '.join(str(error).split())}", f"edit {path.name}") from None

    def changed(self, changes: dict[str, Any]) -> Self:
        """As ModelConfig.changed; of `inputs` and `samples` only what is named changes."""
        nested = {n: {**getattr(self, n).model_dump(), **changes[n]} for n in ("inputs", "samples") if n in changes}
        return super().changed({**changes, **nested})


class NetworkConfig(RankConfig, NeuralConfig):
    """Configuration of a ranker that is a network."""

    buckets: int
    """Into how many buckets, of equally many training rows each, a number is put."""
    field_dim: int
    """Length of the vector of a bucket, a word, a genre or a person."""
    film_dim: int
    """Length of a film's vector."""
    hidden: list[int]
    """Widths of the deep part's layers."""
    dropout: float
    """Dropout in the deep part."""
    batch: int
    """Events in a batch, each with its film and its negatives."""
    listwise: float
    """What the softmax over each event's films counts beside the logloss of single films, 0 to 1."""
