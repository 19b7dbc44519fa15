"""Channels in which each film names the films nearest to it, and a user's films are asked for theirs."""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from scipy import sparse

from models.recall.base import CHUNK, Recaller, recommended
from models.recall.history import HistoryConfig, watched


class NeighbourConfig(HistoryConfig):
    """What channels of neighbouring films share."""

    neighbours: int
    """How many nearest films each film keeps."""


class Neighbours(Recaller):
    """Films scored by what the user's films say of them; `fit` sets `films` and `similar` (m, m)."""

    config: Any
    similar: sparse.csr_matrix

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum what each film watched says of its neighbours; users without any get nothing."""
        history = watched(users, self.config, self.films)

        def score(some: slice) -> np.ndarray:
            rows = history if users.num_rows <= CHUNK else history[some]  # a slice of one takes as long as its product
            dense: np.ndarray = (rows @ self.similar).toarray()
            dense[dense == 0] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def tensors(self) -> dict[str, np.ndarray]:
        """The neighbour matrix (m, m) in CSR parts."""
        return {"data": self.similar.data, "indices": self.similar.indices, "indptr": self.similar.indptr}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Put the neighbour matrix together again."""
        m = len(self.films)
        self.similar = sparse.csr_matrix((tensors["data"], tensors["indices"], tensors["indptr"]), (m, m))


def nearest(similar: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """The `keep` largest values above zero of each row, columns ascending; ties by column."""
    columns, values, counts = [similar.indices[:0]], [similar.data[:0]], np.zeros(similar.shape[0], np.int64)
    for i, (start, end) in enumerate(zip(similar.indptr[:-1], similar.indptr[1:], strict=True)):
        column, value = similar.indices[start:end], similar.data[start:end]
        least = np.partition(value, -keep)[-keep] if len(value) > keep else 0.0
        held = np.flatnonzero((value >= least) & (value > 0))  # with all that tie with the last
        held = held[np.lexsort((column[held], -value[held]))][:keep]
        held = held[np.argsort(column[held])]
        columns.append(column[held])
        values.append(value[held])
        counts[i] = len(held)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), indptr), similar.shape)
