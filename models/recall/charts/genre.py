"""Popularity by genre: the most rated films of the genres that a user watches, for users of whom little is known.

A naive Bayes recommender with one attribute: P(film | user) = sum over genres of P(genre | user) P(film | genre).
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.columns import integers, microseconds, multi_hot, ragged, shares
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import Recaller, recommended
from models.recall.charts.popularity import MICROSECONDS


class GenrePopularityConfig(ModelConfig):
    """Configuration of popularity by genre."""

    days: int
    """How many days before the last rating learned from count; 0 for all."""
    overall: float
    """Weight of popularity over all genres, beside 1 for the user's own: 0 to trust a single film watched."""


class GenrePopularity(Recaller):
    """Popular films of the user's genres; popular films where nothing is known of the user."""

    Config = GenrePopularityConfig
    config: GenrePopularityConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Count every film's ratings up to the end of `until`, and share them out to its genres."""
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        catalogue = data.catalogue(self.config.service, until)
        self.films = Ids(integers(catalogue, "movie_id"))
        age = (microseconds(events).max() - microseconds(events)) / MICROSECONDS
        film = self.films.rows(integers(events, "movie_id"))
        counted = (film >= 0) & ((age < self.config.days) | (self.config.days == 0))
        count = np.bincount(film[counted], minlength=len(self.films))
        genres = multi_hot(catalogue, "movie_genres", 1 + int(ragged(catalogue, "movie_genres")[0].max(initial=-1)))
        self.overall, self.by_genre = probabilities(count, genres)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The most probable films; a film without a rating is never shown."""
        share = shares(users, "user_genre_share", len(self.by_genre))
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)

        def score(some: slice) -> np.ndarray:
            dense: np.ndarray = share[some] @ self.by_genre
            dense += np.where(share[some].any(axis=1, keepdims=True), self.config.overall, 1.0) * self.overall
            dense[dense == 0] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def tensors(self) -> dict[str, np.ndarray]:
        """Probabilities of films, over all (m,) and by genre (genres, m)."""
        return {"overall": self.overall, "by_genre": self.by_genre}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take the probabilities back."""
        self.overall, self.by_genre = tensors["overall"], tensors["by_genre"]


def probabilities(count: np.ndarray, genres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(film) (m,) and P(film | genre) (g, m), float32, from ratings (m,) and genres (m, g) of zeros and ones.

    A rating is shared out evenly among the film's genres.
    """
    own = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1) * count[:, None]  # (m, g)
    by_genre = (own / np.maximum(own.sum(axis=0), 1e-12)).T
    return (count / count.sum()).astype(np.float32), by_genre.astype(np.float32)
