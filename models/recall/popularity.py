"""Popularity: the films with most ratings, over all time or in the last days before the cut-off."""

from abc import abstractmethod
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.columns import integers, microseconds
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import Recaller, recommended

MICROSECONDS = 86_400_000_000
"""In a day."""


class Chart(Recaller):
    """One list for everyone: a number a film, the highest first. A film at 0 is never shown."""

    def fit(self, data: Dataset, until: Split) -> None:
        """Give every film its number as of the end of `until`."""
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        movie_ids, film = np.unique(integers(events, "movie_id"), return_inverse=True)
        moments = microseconds(events)
        self.films = Ids(movie_ids)
        self.counts = self.numbers(film, (moments.max() - moments) / MICROSECONDS).astype(np.float32)
        self.came_from(data, until)

    @abstractmethod
    def numbers(self, film: np.ndarray, age: np.ndarray) -> np.ndarray:
        """The films' numbers (m,) from each rating's film row and its age in days (n,)."""

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first films that are not excluded; reads nothing of the users but how many they are."""
        order = np.where(self.counts > 0, self.counts, -np.inf).astype(np.float32)

        def score(some: slice) -> np.ndarray:
            return np.tile(order, (some.stop - some.start, 1))

        return recommended(score, users.num_rows, k, exclude, self.films)

    def tensors(self) -> dict[str, np.ndarray]:
        """The numbers (m,)."""
        return {"counts": self.counts}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take the numbers back."""
        self.counts = tensors["counts"]


class PopularityConfig(ModelConfig):
    """Configuration of a popularity channel."""

    days: int
    """How many days before the last rating learned from count; 0 for all."""


class Popularity(Chart):
    """The films with most ratings as of the cut-off, the same for everyone. A film without one is never shown."""

    Config = PopularityConfig
    config: PopularityConfig

    def numbers(self, film: np.ndarray, age: np.ndarray) -> np.ndarray:
        """How many ratings count."""
        recent = age < self.config.days if self.config.days else slice(None)
        return np.bincount(film[recent], minlength=len(self.films))
