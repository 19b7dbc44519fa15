"""Channels that compare vectors, and leave out what is seen."""

from abc import abstractmethod

import numpy as np
import pyarrow as pa

from models import onnx
from models.recall.base import Recaller
from models.recall.search.index import IndexConfig, build_index, search
from models.training import NeuralConfig

CHUNK = 256
"""Users that are searched for together."""


class VectorConfig(NeuralConfig, IndexConfig):
    """Configuration of a trained channel that compares vectors."""


class VectorRecaller(Recaller):
    """A channel whose films have a vector each and whose users have one or more."""

    config: VectorConfig
    vectors: np.ndarray
    """(m, d) float32, a row a film of `self.films`."""
    session: onnx.Session | None = None
    """What makes the vector of one user, where an exported network was loaded: several times as fast as PyTorch, whose
    layers are small here and are called from Python one by one."""

    @abstractmethod
    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (n, i, d) float32 of rows of user features, i interests each, and whether a user is known (n,)."""

    def index_films(self, vectors: np.ndarray) -> None:
        """Take the films' vectors (m, d) and make them searchable."""
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.index = build_index(self.vectors, self.config)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The films nearest to any of each user's vectors; an unknown user gets nothing."""
        n = users.num_rows
        skip = [self.films.rows(ids) for ids in exclude] if exclude is not None else [np.empty(0, np.int64)] * n
        if n <= CHUNK:
            found, scores = self._nearest(users, k, skip)
            return self.films.at(found), scores
        # as many more films are fetched as the slice's longest list leaves out: like beside like
        order = np.argsort([len(rows) for rows in skip], kind="stable")
        found = np.full((n, k), -1, np.int64)
        scores = np.full((n, k), -np.inf, np.float32)
        for some in np.split(order, range(CHUNK, n, CHUNK)):
            found[some], scores[some] = self._nearest(users.take(pa.array(some)), k, [skip[i] for i in some])
        return self.films.at(found), scores

    def _nearest(self, users: pa.Table, k: int, skip: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        queries, known = self.user_vectors(users)
        n, interests, d = queries.shape
        wide = k + max((len(rows) for rows in skip), default=0)
        scores, rows = search(self.index, queries.reshape(n * interests, d), wide, self.config)
        scores, rows = (column.reshape(n, interests * column.shape[1]) for column in (scores, rows))
        held = (rows >= 0) & ~np.isnan(scores) & known[:, None]
        found = np.full((n, k), -1, np.int64)
        values = np.full((n, k), -np.inf, np.float32)
        # a mask, as comparing sorted ids takes longer for one user; its last place is that of films unknown here
        is_skipped = np.zeros(len(self.films) + 1, bool)
        for i, seen in enumerate(skip):
            is_skipped[seen] = True
            kept = np.flatnonzero(held[i] & ~is_skipped[rows[i]])
            is_skipped[seen] = False
            if interests > 1:
                kept = kept[np.argsort(-scores[i, kept], kind="stable")]
                kept = kept[np.sort(np.unique(rows[i, kept], return_index=True)[1])]  # a film for its best interest
            kept = kept[:k]
            found[i, : len(kept)], values[i, : len(kept)] = rows[i, kept], scores[i, kept]
        return found, values
