"""ItemCF: films liked by those who saw what you saw.

Sarwar et al., Item-based collaborative filtering recommendation algorithms (WWW 2001): cosine between the
columns of the user-film matrix, the nearest neighbours of each film kept. Deshpande and Karypis, Item-based top-N
recommendation algorithms (TOIS 2004): the exponent that damps popular films. Breese, Heckerman and Kadie (UAI 1998):
someone who rated everything says little of any two films.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.dataset import SPLITS, Dataset, Split
from models.recall.history import rated, watched
from models.recall.neighbours.neighbours import NeighbourConfig, Neighbours, nearest

HELD = 20_000_000
"""Similarities held at once before they are pruned: with what divides them some 1 GB."""


class ItemCFConfig(NeighbourConfig):
    """Configuration of ItemCF."""

    popularity: float
    """How much a neighbour's popularity counts against it, 0 to 1: 0.5 is the cosine."""
    activity: float
    """A user of n ratings counts n to the power of minus this; 0 for all alike."""
    most: int
    """Of longer histories only the latest so many films count in training; 0 for all."""


class ItemCF(Neighbours):
    """Item-based collaborative filtering: a film's score is the sum of its similarities with the films seen."""

    Config = ItemCFConfig
    config: ItemCFConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Count who rated what up to `until`, and keep each film's nearest neighbours."""
        c = self.config
        seen, _, self.films = rated(data.interactions(*SPLITS[: SPLITS.index(until) + 1]), c.most)
        self.similar = similarities(seen, c.neighbours, c.popularity, c.activity)
        self.came_from(data, until)

    def contributors(self, user: pa.Table, movie_ids: np.ndarray, among: np.ndarray, most: int = 2) -> list[list[int]]:
        """For each film, the ids of the films in the user's history (one row) that speak most for it.

        Those alone that are `among` these.
        """
        history = watched(user, self.config, self.films)
        rows = self.films.rows(movie_ids)
        if not history.nnz or not len(rows):
            return [[] for _ in rows]
        seen = history.indices
        share = history.data[:, None] * self.similar[seen][:, np.maximum(rows, 0)].toarray()  # (seen, films)
        share[:, rows < 0] = 0.0
        share[~np.isin(self.films.values[seen], among)] = 0.0
        order = np.argsort(-share, axis=0, kind="stable")[:most]
        return [[int(self.films.values[seen[i]]) for i in order[:, j] if share[i, j] > 0] for j in range(len(rows))]


def similarities(seen: sparse.csr_matrix, neighbours: int, popularity: float, activity: float) -> sparse.csr_matrix:
    """The `neighbours` films most similar to each film (m, m) float32, none to itself; ties by catalogue order.

    `seen` (users, m) is 0/1. With users weighing w = n^-activity, film i names film j with
    sum w over those who saw both / (W_i^(1 - popularity) W_j^popularity), W the sum of w over those who saw it.
    """
    weight = np.maximum(np.diff(seen.indptr), 1.0) ** -activity
    by_film = seen.T.tocsr()
    by_film.data = weight[by_film.indices].astype(np.float32)
    count = np.maximum(np.asarray(by_film.sum(axis=1, dtype=np.float64)).ravel(), 1e-12)
    kept = []
    for some in slices(by_film, seen):
        similar = by_film[some] @ seen
        row = np.repeat(np.arange(some.start, some.stop), np.diff(similar.indptr))
        # summed first and divided once, so that films equally near tie exactly
        similar.data = (similar.data / (count[row] ** (1 - popularity) * count[similar.indices] ** popularity)).astype(
            np.float32
        )
        similar.data[similar.indices == row] = 0.0
        kept.append(nearest(similar, neighbours))
    return sparse.vstack(kept, format="csr")


def slices(by_film: sparse.csr_matrix, seen: sparse.csr_matrix) -> Iterator[slice]:
    """Slices of the films whose rows of the product have at most `HELD` values, or one film."""
    m = len(by_film.indptr) - 1
    pairs = (by_film != 0) @ np.diff(seen.indptr)  # what a film's row adds up, and so at most holds
    held = np.cumsum(np.minimum(pairs, m))
    start = 0
    while start < m:
        before = held[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(held, before + HELD, side="right")))
        yield slice(start, stop)
        start = stop
