"""EASE: each film predicted from the others by ridge regression, in closed form.

Steck, Embarrassingly shallow autoencoders for sparse data (WWW 2019).
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import Recaller, recommended
from models.recall.history import HistoryConfig, rated, watched


class EaseConfig(HistoryConfig):
    """Configuration of EASE."""

    ridge: float
    """What is added to the diagonal of the Gram matrix: larger shrinks the weights."""
    most_rated: int
    """How many films there are weights between, the most rated ones: time grows with its cube, memory with its
    square (10,000 films: 2 GB)."""


class Ease(Recaller):
    """EASE: a film's score is a linear function of the films seen, none of its own."""

    Config = EaseConfig
    config: EaseConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Solve for the weights between the most rated films up to `until`."""
        seen, _, films = rated(data.interactions(*SPLITS[: SPLITS.index(until) + 1]))
        count = np.bincount(seen.indices, minlength=len(films))
        kept = np.sort(np.argsort(-count, kind="stable")[: self.config.most_rated])
        self.films = Ids(films.values[kept])
        seen = seen[:, kept]
        self.weights = item_weights((seen.T @ seen).toarray().astype(np.float64), self.config.ridge)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weigh the films watched; users without any get nothing."""
        history = watched(users, self.config, self.films)
        unknown = np.diff(history.indptr) == 0

        def score(some: slice) -> np.ndarray:
            dense: np.ndarray = history[some] @ self.weights
            dense[unknown[some]] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def tensors(self) -> dict[str, np.ndarray]:
        """The weights (m, m)."""
        return {"weights": self.weights}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take the weights back."""
        self.weights = tensors["weights"]


def item_weights(gram: np.ndarray, ridge: float) -> np.ndarray:
    """B (m, m) float32 that minimises |X - XB|^2 + ridge |B|^2 with a zero diagonal; `gram` (m, m) is X'X.

    With P the inverse of (X'X + ridge I), B is -P_ij / P_jj off the diagonal (equation 8 of the paper).
    """
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram)
    inverse /= -np.diag(inverse)
    np.fill_diagonal(inverse, 0.0)
    return inverse.astype(np.float32)
