"""Popularity: the films with most ratings, over all time or in the last days before the cut-off."""

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.columns import integers, microseconds
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import Recaller

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
        order, place = self._chart
        ids = np.full((users.num_rows, k), -1, np.int64)
        scores = np.full((users.num_rows, k), -np.inf, np.float32)
        for user in range(users.num_rows):
            gone = place[self.films.rows(exclude[user])] if exclude else order[:0]
            left = np.ones(min(k + len(gone), len(order)), bool)
            left[gone[gone < len(left)]] = False
            rows = order[np.flatnonzero(left)[:k]]
            ids[user, : len(rows)], scores[user, : len(rows)] = self.films.values[rows], self.counts[rows]
        return ids, scores

    @cached_property
    def _chart(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the films that are shown, the first of the chart first, and each film's place in it (m + 1,).

        A film that is never shown is behind the last one, and so is the row -1 of a film unknown here.
        """
        order = np.argsort(-self.counts, kind="stable")
        order = order[self.counts[order] > 0]
        place = np.full(len(self.films) + 1, len(order))
        place[order] = np.arange(len(order))
        return order, place

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
