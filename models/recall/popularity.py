"""Popularity: the films with most ratings, over all time or in the last days before the cut-off."""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.columns import integers, microseconds
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import CHUNK, Recaller, best, leave_out

MICROSECONDS = 86_400_000_000
"""In a day."""


class PopularityConfig(ModelConfig):
    """Configuration of a popularity channel."""

    days: int
    """How many days before the last rating learned from count; 0 for all."""


class Popularity(Recaller):
    """The films with most ratings as of the cut-off, the same for everyone. A film without one is never shown."""

    Config = PopularityConfig
    config: PopularityConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Count every film's ratings up to the end of `until`."""
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        movie_ids, inverse = np.unique(integers(events, "movie_id"), return_inverse=True)
        moments = microseconds(events)
        recent = moments > moments.max() - self.config.days * MICROSECONDS if self.config.days else slice(None)
        self.films = Ids(movie_ids)
        self.counts = np.bincount(inverse[recent], minlength=len(movie_ids)).astype(np.float32)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The most rated films that are not excluded; reads nothing of the users but how many they are."""
        order = np.where(self.counts > 0, self.counts, -np.inf).astype(np.float32)
        ids, scores = [], []
        for start in range(0, max(users.num_rows, 1), CHUNK):  # no user: one empty slice
            some = exclude[start : start + CHUNK] if exclude is not None else None
            n = min(CHUNK, users.num_rows - start)
            found = best(leave_out(np.tile(order, (n, 1)), some, self.films), k, self.films)
            ids.append(found[0])
            scores.append(found[1])
        return np.concatenate(ids), np.concatenate(scores)

    def tensors(self) -> dict[str, np.ndarray]:
        """The counts (m,)."""
        return {"counts": self.counts}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take the counts back."""
        self.counts = tensors["counts"]
