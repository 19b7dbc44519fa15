"""iALS: films and users as factors of who rated what, by alternating least squares (the library `implicit`).

Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets (ICDM 2008).
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.dataset import SPLITS, Dataset, Split
from models.recall.base import Recaller, recommended
from models.recall.history import HistoryConfig, rated, watched


class IalsConfig(HistoryConfig):
    """Configuration of iALS."""

    factors: int
    """Width of the factors."""
    confidence: float
    """How much more a rated film counts than one that was not."""
    regularization: float
    """What is added to the diagonal in each least squares."""
    iterations: int
    """Rounds over users and films."""


class Ials(Recaller):
    """Implicit alternating least squares; a user's factors are solved for from the history as of the moment."""

    Config = IalsConfig
    config: IalsConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Factorise who rated what up to `until`."""
        seen, _, self.films = rated(data.interactions(*SPLITS[: SPLITS.index(until) + 1]))
        self.model = self._model()
        self.model.fit(seen, show_progress=False)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The films whose factors fit best with those of the history; users without any get nothing."""
        history = watched(users, self.config, self.films)
        unknown = np.diff(history.indptr) == 0

        def score(some: slice) -> np.ndarray:
            rows = history[some]
            dense: np.ndarray = self.model.recalculate_user(np.arange(rows.shape[0]), rows) @ self.model.item_factors.T
            dense[unknown[some]] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def _model(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        c = self.config
        return AlternatingLeastSquares(
            factors=c.factors, alpha=c.confidence, regularization=c.regularization, iterations=c.iterations,
            random_state=c.seed,
        )  # fmt: skip

    def tensors(self) -> dict[str, np.ndarray]:
        """The films' factors (m, factors)."""
        return {"films": self.model.item_factors}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Give the films' factors back to the library."""
        self.model = self._model()
        self.model.item_factors = tensors["films"]
