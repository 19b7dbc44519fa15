"""LightGBM's LambdaMART on the rankers' features. Burges, From RankNet to LambdaMART (2010)."""

from typing import Any, ClassVar

import numpy as np
from feast import FeatureStore

from models.config import ModelConfig
from models.rank.base import Ranker
from models.rank.baselines.plain import matrix
from models.rank.config import RankConfig
from models.rank.encoding import Batch
from models.rank.samples.samples import Samples


class BoostingConfig(RankConfig):
    """Configuration of LambdaMART."""

    trees: int
    """At most so many."""
    patience: int
    """Trees without a better NDCG of the held-out groups after which it stops."""
    leaves: int
    """Leaves of a tree."""
    learning_rate: float
    """What each tree counts."""
    least: int
    """Fewest rows of a leaf."""
    share: float
    """The share of columns that each tree sees."""


class Boosting(Ranker):
    """Gradient-boosted trees that order the films of an event."""

    Config: ClassVar[type[ModelConfig]] = BoostingConfig
    PASSES: ClassVar[str] = "trees"
    config: BoostingConfig

    def learn(self, learn: Samples, check: Samples) -> dict[str, Any]:
        """Boost until the held-out groups get no better."""
        import lightgbm

        c = self.config
        settings = {
            "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "num_leaves": c.leaves, "verbosity": -1,
            "learning_rate": c.learning_rate, "min_data_in_leaf": c.least, "feature_fraction": c.share,
            "seed": c.seed, "deterministic": True, "num_threads": 1, "force_row_wise": True,
        }  # fmt: skip
        sets = [self._set(part) for part in (learn, check) if part.groups]
        stop: list[Any] = [lightgbm.early_stopping(c.patience, verbose=False)] if len(sets) > 1 else []
        self.booster = lightgbm.train(settings, sets[0], self.passes or c.trees, valid_sets=sets[1:], callbacks=stop)
        return {"trees": self.booster.best_iteration or self.booster.current_iteration()}

    def _set(self, part: Samples) -> Any:
        """Groups in random order: the positive is first, and where scores are equal LightGBM's NDCG keeps the order."""
        import lightgbm

        shuffled = (
            np.random.default_rng(self.config.seed)
            .permuted(np.arange(part.groups * part.size).reshape(part.groups, part.size), axis=1)
            .ravel()
        )
        rows = matrix(self.encoder(part.pairs), self.encoder.genres)[shuffled]
        return lightgbm.Dataset(rows, part.label.ravel()[shuffled], group=np.full(part.groups, part.size))

    def scores_of(self, batch: Batch) -> np.ndarray:
        """Sums of leaves."""
        found = self.booster.predict(matrix(batch, self.encoder.genres), num_threads=1)
        return np.asarray(found, np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """The trees as LightGBM's own text."""
        text = self.booster.model_to_string(num_iteration=self.booster.best_iteration)
        return {"booster": np.frombuffer(text.encode(), np.uint8), **self.calibration.tensors()}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take them back."""
        import lightgbm

        super().restore(tensors, facts, store)
        self.booster = lightgbm.Booster(model_str=tensors["booster"].tobytes().decode())
