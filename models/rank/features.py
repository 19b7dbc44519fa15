"""What the ranker sees of a user and a candidate: user, film, crossed and recall features, one row a pair.

Training, evaluation and serving build their rows here. The crossed features come from the function that is registered
with Feast as the on-demand view `user_movie_cross`, so every caller runs the same code on the same columns.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureStore

from models.columns import arrays, multi_hot, numbers, shares
from models.encoders import Statistics
from models.ids import Ids
from models.recall.merge import Candidates

CROSS_VIEW = "user_movie_cross"


class PairFeatures:
    """Encode (user row, film row) pairs as float32 vectors; learns only means and deviations."""

    def __init__(self, config: Any, channels: list[str], store: FeatureStore) -> None:
        self.config = config
        self.channels = channels
        self.user_statistics = Statistics(config.user_counts, config.user_numbers)
        self.film_statistics = Statistics(config.film_counts, config.film_numbers)
        self.cross_statistics = Statistics([], config.crossed)
        view = store.get_on_demand_feature_view(CROSS_VIEW)
        self.cross = view.feature_transformation.udf
        self.genres = 0

    @property
    def width(self) -> int:
        """How many numbers a pair has."""
        statistics = self.user_statistics.width + self.film_statistics.width + self.cross_statistics.width
        return statistics + 3 * self.genres + 1 + 3 * len(self.channels)

    def fit(self, users: pa.Table, films: pa.Table, crossed: pa.Table) -> None:
        """Learn means and deviations from training rows."""
        self.user_statistics.fit(users)
        self.film_statistics.fit(films)
        self.cross_statistics.fit(crossed)
        self.genres = max((len(row) for row in arrays(users, "user_genre_share")), default=0)

    def crossed(self, users: pa.Table, films: pa.Table, user: np.ndarray, film: np.ndarray) -> pa.Table:
        """The crossed features (p rows) of pairs of rows of the two tables."""
        inputs = {name: self._objects(users, name)[user] for name in self.config.cross_user}
        inputs |= {name: self._objects(films, name)[film] for name in self.config.cross_film}
        return pa.Table.from_pandas(self.cross(pd.DataFrame(inputs)), preserve_index=False)

    def __call__(
        self,
        users: pa.Table,
        films: pa.Table,
        user: np.ndarray,
        film: np.ndarray,
        recall: np.ndarray,
        crossed: pa.Table,
    ) -> np.ndarray:
        """(p, width) float32 for pairs of rows `user` (p,) and `film` (p,) with their recall columns (p, r)."""
        of_user = np.concatenate(
            [self.user_statistics(users), *(shares(users, name, self.genres) for name in self.config.user_genres)],
            axis=1,
        )
        of_film = np.concatenate([self.film_statistics(films), multi_hot(films, "movie_genres", self.genres)], axis=1)
        return np.concatenate([of_user[user], of_film[film], self.cross_statistics(crossed), recall], axis=1)

    @staticmethod
    def _objects(table: pa.Table, name: str) -> np.ndarray:
        """A column as numpy: numbers as numbers, lists as one array a row, a null list as None."""
        if pa.types.is_list(table.schema.field(name).type):
            valid = table[name].is_valid().to_numpy()
            out = np.empty(table.num_rows, dtype=object)
            for row, values in enumerate(arrays(table, name)):
                out[row] = values if valid[row] else None
            return out
        return numbers(table, name)

    def tensors(self) -> dict[str, np.ndarray]:
        """What was learned, for the artifact."""
        parts = {"user": self.user_statistics, "film": self.film_statistics, "cross": self.cross_statistics}
        return {key: value for name, part in parts.items() for key, value in part.tensors(name).items()}

    def restore(self, tensors: dict[str, np.ndarray], genres: int) -> None:
        """Take it back."""
        self.genres = genres
        self.user_statistics.restore("user", tensors)
        self.film_statistics.restore("film", tensors)
        self.cross_statistics.restore("cross", tensors)


def recall_columns(candidates: Candidates, channels: list[str]) -> np.ndarray:
    """What recall says of each candidate (n, c, 1 + 3 * channels): the merged rank, and a channel's rank and score.

    Ranks enter as 10 / (10 + rank), 0 where the channel did not name the film.
    """
    n, c = candidates.ids.shape
    columns = [np.broadcast_to(10.0 / (10.0 + np.arange(1, c + 1)), (n, c))]
    for name in channels:
        rank = candidates.ranks[name]
        named = rank > 0
        columns += [named.astype(np.float64), np.where(named, 10.0 / (10.0 + rank), 0.0), candidates.values[name]]
    return np.stack([column.astype(np.float32) for column in columns], axis=2)


def candidate_rows(candidates: Candidates, catalogue: Ids) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of all candidates that the catalogue knows: user (p,), place in the list (p,), catalogue row (p,)."""
    rows = catalogue.rows(candidates.ids)
    user, place = np.nonzero((candidates.ids >= 0) & (rows >= 0))
    return user, place, rows[user, place]
