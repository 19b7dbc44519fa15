"""Content: films like those you watched, by what is known of them before anyone has rated them.

Lops, de Gemmis and Semeraro, Content-based recommender systems (Recommender Systems Handbook, 2011): films as weighted
vectors, a user as the films they saw.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from scipy import sparse

from models.columns import integers, numbers, ragged, shares, window
from models.config import ModelConfig
from models.dataset import Dataset, Split
from models.ids import Ids
from models.recall.base import CHUNK, Recaller, best, recommended


class ContentConfig(ModelConfig):
    """Configuration of the content channel. What two films share is weighed by these."""

    text: float
    """Weight of the cosine of their texts' vectors."""
    directors: float
    """Weight of shared directors: a cosine, rare ones counting more."""
    cast: float
    """Weight of shared lead actors."""
    keywords: float
    """Weight of shared keywords."""
    genres: float
    """Weight of shared genres."""
    year: float
    """Weight of being of the same years."""
    years: float
    """How many years apart films still count as near (a standard deviation)."""
    power: float
    """Similarities are taken to this power: above 1 a few close films count more than many vague ones."""
    neighbours: int
    """How many nearest films each film keeps."""
    window: int
    """How many of a user's latest films are looked at; the feature holds 50."""
    decay: float
    """What each film counts in proportion to the one watched after it."""


class Content(Recaller):
    """Content-based recall: a film's score is the sum of its similarities with the latest films seen.

    It learns from no rating, so a film of the catalogue that nobody has rated is recommended like any other. A film
    of which neither people nor text nor year is known is never.
    """

    Config = ContentConfig
    config: ContentConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Find each film's nearest ones among those that are known at the end of `until`."""
        catalogue = data.catalogue(self.config.service, until)
        self.films = Ids(integers(catalogue, "movie_id"))
        self.similar = nearest(catalogue, self.config)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum the similarities over each user's latest films; users without any get nothing."""
        history = self._history(users)

        def score(some: slice) -> np.ndarray:
            dense: np.ndarray = (history[some] @ self.similar).toarray()
            dense[dense == 0] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def _history(self, users: pa.Table) -> sparse.csr_matrix:
        """What each film of the window weighs (n, m): the newest 1, a film seen twice both times."""
        recent = window(users, "user_recent_movie_ids", self.films, self.config.window)
        weight = np.float32(self.config.decay) ** np.arange(self.config.window - 1, -1, -1, dtype=np.float32)
        row, column = np.nonzero(recent >= 0)
        return sparse.csr_matrix((weight[column], (row, recent[row, column])), (users.num_rows, len(self.films)))

    def tensors(self) -> dict[str, np.ndarray]:
        """The neighbour matrix (m, m) in CSR parts."""
        return {"data": self.similar.data, "indices": self.similar.indices, "indptr": self.similar.indptr}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Put the neighbour matrix together again."""
        m = len(self.films)
        self.similar = sparse.csr_matrix((tensors["data"], tensors["indices"], tensors["indptr"]), (m, m))


def nearest(films: pa.Table, config: ContentConfig, asked: np.ndarray | None = None) -> sparse.csr_matrix:
    """The `neighbours` most similar films of each film (m, m), none with itself; ties by catalogue order.

    Of the rows `asked` (n,) alone, where they are given: (n, m).

    A similarity is the weighted mean of the cosines, in 0..1, to the power of `power`. Films are taken in slices, so
    memory stays at a slice's dense rows.
    """
    texts = unit_vectors(films, "movie_text_embedding")
    year = numbers(films, "movie_year")
    shared = {
        "movie_director_ids": config.directors,
        "movie_cast_ids": config.cast,
        "movie_keyword_ids": config.keywords,
        "movie_genres": config.genres,
    }
    # blocks side by side, each scaled by the root of its weight: one product adds up the weighted cosines
    lists = sparse.hstack([np.sqrt(weight) * rare_first(films, name) for name, weight in shared.items()]).tocsr()
    total = config.text + config.year + sum(shared.values())
    m = films.num_rows
    asked = np.arange(m) if asked is None else asked
    rows, columns, values = [], [], []
    for start in range(0, len(asked), CHUNK):
        part = asked[start : start + CHUNK]
        similar = (lists[part] @ lists.T).toarray() + config.text * (texts[part] @ texts.T)  # (slice, m)
        apart = (year[part, None] - year) / np.float32(config.years)
        similar += config.year * np.nan_to_num(np.exp(-0.5 * apart**2))  # a year that is not known is near none
        similar[np.arange(len(similar)), part] = 0.0
        similar[similar <= 0] = -np.inf
        top, value = best(similar / total, min(config.neighbours, m), Ids(np.arange(m)))
        row, column = np.nonzero(top >= 0)
        rows.append(start + row)
        columns.append(top[row, column])
        values.append(value[row, column] ** np.float32(config.power))
    if not len(asked):
        return sparse.csr_matrix((0, m), dtype=np.float32)
    return sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (len(asked), m), dtype=np.float32
    )


def unit_vectors(films: pa.Table, name: str) -> np.ndarray:
    """A column of vectors as float32 (m, d) of length 1; zeros where a film has none, or one that is no number."""
    lengths = np.diff(ragged(films, name)[1])
    vectors = shares(films, name, int(lengths.max(initial=1)))
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def rare_first(films: pa.Table, name: str) -> sparse.csr_matrix:
    """A column of id lists as float32 (m, ids), an id weighing log(m / films that have it), rows of length 1."""
    values, offsets = ragged(films, name)
    known, column = np.unique(values, return_inverse=True)
    m = films.num_rows
    row = np.repeat(np.arange(m), np.diff(offsets))
    held = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), (m, len(known)))
    held.data[:] = 1.0  # an id named twice counts once
    held = held @ sparse.diags(np.log(m / np.asarray(held.sum(axis=0)).ravel()).astype(np.float32))
    length = np.sqrt(np.asarray(held.multiply(held).sum(axis=1)).ravel())
    return sparse.diags((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ held
