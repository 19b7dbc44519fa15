"""Logistic regression on the rankers' features: the baseline that is linear."""

from typing import Any, ClassVar

import numpy as np
from feast import FeatureStore

from models.config import ModelConfig
from models.encoders import mean_and_deviation, standardised
from models.rank.base import Ranker
from models.rank.baselines.plain import matrix
from models.rank.config import RankConfig
from models.rank.encoding import Batch
from models.rank.samples.samples import Samples


class LogisticConfig(RankConfig):
    """Configuration of the logistic regression."""

    strength: float
    """How much weights may grow: the inverse of the L2 penalty."""


class Logistic(Ranker):
    """Logistic regression on standardised features, an unknown one at its mean with a flag of its own."""

    Config: ClassVar[type[ModelConfig]] = LogisticConfig
    config: LogisticConfig

    def learn(self, learn: Samples, check: Samples) -> dict[str, Any]:
        """Solve it; there is nothing to stop early."""
        from sklearn.linear_model import LogisticRegression

        raw = matrix(self.encoder(learn.pairs), self.encoder.genres)
        self.mean, self.deviation = mean_and_deviation(raw, np.float64)
        solved = LogisticRegression(C=self.config.strength, max_iter=500).fit(self._rows(raw), learn.label.ravel())
        self.weights = np.append(solved.coef_[0], solved.intercept_)
        return {"iterations": int(solved.n_iter_[0])}

    def scores_of(self, batch: Batch) -> np.ndarray:
        """Log odds."""
        rows = self._rows(matrix(batch, self.encoder.genres))
        return (rows @ self.weights[:-1] + self.weights[-1]).astype(np.float32)

    def _rows(self, raw: np.ndarray) -> np.ndarray:
        return np.concatenate([standardised(raw, self.mean, self.deviation), np.isnan(raw)], axis=1)

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights, means and deviations."""
        own: dict[str, np.ndarray] = {"weights": self.weights, "mean": self.mean, "deviation": self.deviation}
        return own | self.calibration.tensors()

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take them back."""
        super().restore(tensors, facts, store)
        self.weights, self.mean, self.deviation = tensors["weights"], tensors["mean"], tensors["deviation"]
