"""What a ranker is: it learns from samples, scores pairs, tells probabilities, goes to disk and back."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from feast import FeatureStore

from models.artifacts import Model
from models.dataset import SPLITS, Dataset, Split
from models.metrics.pointwise import gauc
from models.rank.calibration import Calibration
from models.rank.config import RankConfig
from models.rank.encoding import Batch, Encoder, FilmFields
from models.rank.samples.pairs import Pairs
from models.rank.samples.samples import Samples

HELD_OUT = 5
"""One in so many groups, the latest, is kept from training: it stops it, and is what the calibration is fitted on."""


class Ranker(Model):
    """A ranker of what recall brings."""

    config: RankConfig
    encoder: Encoder
    run: Path | None = None
    """Where training leaves its curves and checkpoints; nowhere if None."""
    PASSES: ClassVar[str] = "epochs"
    """What its metrics call the length of training that was best."""
    passes: int | None = None
    """How long training was best, once that is known."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.calibration = Calibration()

    def fit(self, data: Dataset, samples: Samples, channels: list[str], until: Split) -> None:
        """Learn from samples of `until` whose recall columns are those of `channels`."""
        cut = samples.groups - samples.groups // HELD_OUT
        learn, check = samples.part(0, cut), samples.part(cut, samples.groups)
        self._learn(learn, check, channels)
        scores = self.score(check.pairs)
        self.calibration.fit(scores, check.label.ravel())
        self.metrics |= {
            "groups": samples.groups,
            "validation_gauc": float(gauc(scores.reshape(check.groups, -1)).mean()),
        }
        self.came_from(data, until)

    def refit(self, data: Dataset, samples: Samples, newest: Samples) -> Self:
        """A ranker of the same configuration that learns from all samples, for as long as was best here.

        Nothing is held back, so its calibration is the curve of this ranker's scores of `newest`, the part of the
        samples that this one has not learned from.
        """
        ranker = type(self)(self.config)
        ranker.passes, ranker.run = self.metrics.get(self.PASSES), self.run
        ranker._learn(samples, samples.part(0, 0), self.encoder.channels)
        ranker.calibration.fit(self.score(newest.pairs), newest.label.ravel())
        ranker.metrics = self.metrics | ranker.metrics | {"groups": samples.groups}
        ranker.came_from(data, SPLITS[-1])
        return ranker

    def _learn(self, learn: Samples, check: Samples, channels: list[str]) -> None:
        self.encoder = Encoder(self.config.inputs, channels)
        self.encoder.fit(learn.pairs)
        self.films = self.encoder.films
        self.metrics = self.learn(learn, check)

    @abstractmethod
    def learn(self, learn: Samples, check: Samples) -> dict[str, Any]:
        """Train on the one part; what is worth keeping of how it went.

        The other part stops it early; where that is empty, it ends after `passes`, or as configured.
        """

    @abstractmethod
    def scores_of(self, batch: Batch) -> np.ndarray:
        """Scores (p,) of encoded pairs, higher for what comes first."""

    def score(self, pairs: Pairs, films: FilmFields | None = None) -> np.ndarray:
        """Scores (p,) float32 of pairs, higher for what comes first; `films` as the encoder takes them."""
        return self.scores_of(self.encoder(pairs, films)) if len(pairs) else np.empty(0, np.float32)

    def ratings(self, pairs: Pairs) -> np.ndarray | None:
        """The rating (p,) that each user would give; None where the ranker does not say."""
        return None

    def facts(self) -> dict[str, Any]:
        """Vocabularies, and the channels whose ranks the ranker reads."""
        return self.encoder.facts()

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Encoder and calibration; the rest is the ranker's own."""
        self.encoder = Encoder(self.config.inputs, facts["channels"])
        self.encoder.restore(facts, self.films)
        self.calibration.restore(tensors)
