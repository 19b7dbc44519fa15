"""ItemCF: films liked by those who saw what you saw.

Sarwar et al., Item-based collaborative filtering recommendation algorithms (WWW 2001): cosine between the
columns of the user-film matrix, the nearest neighbours of each film kept.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from scipy import sparse

from models.columns import integers, window
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import CHUNK, Recaller, best, leave_out


class ItemCFConfig(ModelConfig):
    """Configuration of ItemCF."""

    neighbours: int
    """How many nearest films each film keeps."""
    window: int
    """How many of a user's latest films are looked at; the feature holds 50."""


class ItemCF(Recaller):
    """Item-based collaborative filtering: a film's score is the sum of its cosines with the latest films seen."""

    Config = ItemCFConfig
    config: ItemCFConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Count who rated what up to `until`, and keep each film's nearest neighbours."""
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        movie_ids, columns = np.unique(integers(events, "movie_id"), return_inverse=True)
        user_ids, rows = np.unique(integers(events, "user_id"), return_inverse=True)
        self.films = Ids(movie_ids)
        seen = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(user_ids), len(movie_ids)))
        seen.data[:] = 1.0  # a film rated twice counts once
        self.similar = cosine_neighbours(seen, self.config.neighbours)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum the cosines over each user's latest films; users without any get nothing."""
        history = self._history(users)
        ids, scores = [], []
        for start in range(0, max(users.num_rows, 1), CHUNK):  # no user: one empty slice
            some = exclude[start : start + CHUNK] if exclude is not None else None
            dense = (history[start : start + CHUNK] @ self.similar).toarray()
            dense[dense == 0] = -np.inf
            found = best(leave_out(dense, some, self.films), k, self.films)
            ids.append(found[0])
            scores.append(found[1])
        return np.concatenate(ids), np.concatenate(scores)

    def contributors(self, user: pa.Table, movie_ids: np.ndarray, most: int = 2) -> list[list[int]]:
        """For each film, the ids of the films in the user's window (one row) that speak most for it."""
        watched = window(user, "user_recent_movie_ids", self.films, self.config.window)[0]
        watched = np.unique(watched[watched >= 0])
        rows = self.films.rows(movie_ids)
        if not len(watched) or not len(rows):
            return [[] for _ in rows]
        share = self.similar[watched][:, np.maximum(rows, 0)].toarray()  # (watched, films)
        share[:, rows < 0] = 0.0
        order = np.argsort(-share, axis=0, kind="stable")[:most]
        return [[int(self.films.values[watched[i]]) for i in order[:, j] if share[i, j] > 0] for j in range(len(rows))]

    def _history(self, users: pa.Table) -> sparse.csr_matrix:
        recent = window(users, "user_recent_movie_ids", self.films, self.config.window)
        row, column = np.nonzero(recent >= 0)
        once = sparse.csr_matrix(
            (np.ones(len(row), np.float32), (row, recent[row, column])), (users.num_rows, len(self.films))
        )
        once.sum_duplicates()
        once.data[:] = 1.0
        return once

    def tensors(self) -> dict[str, np.ndarray]:
        """The neighbour matrix (m, m) in CSR parts."""
        return {"data": self.similar.data, "indices": self.similar.indices, "indptr": self.similar.indptr}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Put the neighbour matrix together again."""
        m = len(self.films)
        self.similar = sparse.csr_matrix((tensors["data"], tensors["indices"], tensors["indptr"]), (m, m))


def cosine_neighbours(seen: sparse.csr_matrix, neighbours: int) -> sparse.csr_matrix:
    """The `neighbours` largest cosines of each film (m, m), none with itself; ties by catalogue order.

    `seen` (users, m) is 0/1. Films are taken in slices, so memory stays at a slice's dense rows.
    """
    m = seen.shape[1]
    count = np.asarray(seen.sum(axis=0), np.float64).ravel()
    rows, columns, values = [], [], []
    for start in range(0, m, CHUNK):
        # whole counts first, so that films equally near tie exactly
        near = (seen[:, start : start + CHUNK].T @ seen).toarray().astype(np.float64)  # (slice, m)
        near /= np.sqrt(np.maximum(np.outer(count[start : start + CHUNK], count), 1))
        near[np.arange(len(near)), np.arange(start, start + len(near))] = 0.0
        keep = min(neighbours, m)
        top = np.argsort(-near, axis=1, kind="stable")[:, :keep]
        value = np.take_along_axis(near, top, axis=1)
        held = value > 0
        rows.append((np.broadcast_to(np.arange(start, start + len(near))[:, None], top.shape))[held])
        columns.append(top[held])
        values.append(value[held])
    return sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (m, m), dtype=np.float32
    )
