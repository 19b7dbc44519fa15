"""One recommender's answers, looked at: beside what its ranker was trained on, and some of them logged."""

import logging
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbt_project.workspace import workspace
from models.rank.samples import trained_on
from models.served import served_models
from serving.features.reader import feast_command
from serving.monitoring.drift import Drift
from serving.monitoring.feature_log import SERVICE, FeatureLog, LoggedAnswer
from serving.pipeline.user_context import UserContext
from serving.telemetry.logs import request_id
from serving.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from serving.pipeline.recommender import Recommender

log = logging.getLogger("cinefeast.served")
MOST_SHOWN = 500
"""Answers of which a file of the log is made at once."""


@dataclass(frozen=True)
class SampledAnswer:
    """What is kept of an answer."""

    sampler: "Sampler"
    user: pa.Table
    """The user's features as they were read, one row; histories are left out."""
    ranked: np.ndarray
    """The films that the ranker put in order."""
    shown: LoggedAnswer | None
    """What is logged of it, if it is."""


class Sampler:
    """Measures drift and logs. `kept` is thread-safe; the rest is for one thread."""

    def __init__(self, recommender: "Recommender", metrics: Metrics) -> None:
        """CineFeastError where a setting is wrong."""
        films, self._metrics = recommender.catalogue.table, metrics
        known = {field.name for field in recommender.features.user_fields.values()}
        sample = trained_on.read(served_models(workspace().artifacts).folder)
        self._drift = Drift(sample, known, films) if sample else None
        store, self._log = recommender.features.store, None
        if any(service.name == SERVICE for service in store.list_feature_services()):
            self._log = FeatureLog(store, known, recommender.catalogue)
        else:
            log.warning("served features are not logged before %s has put %s there", feast_command("apply"), SERVICE)
        self._waiting: list[LoggedAnswer] = []
        of_drift, of_log = (part.user_features if part else [] for part in (self._drift, self._log))
        self._names = ["user_id", *dict.fromkeys([*of_drift, *of_log])]

    def kept(self, context: UserContext, ranked: np.ndarray, movie_ids: list[int]) -> SampledAnswer:
        """Of an answer what is looked at later."""
        user = context.row.select(self._names)
        shown = None
        if self._log and random.random() < self._log.sample_rate:
            shown = LoggedAnswer(request_id.get(), datetime.now(UTC), user, context.read_at, movie_ids)
        return SampledAnswer(self, user, ranked, shown)

    def add(self, served: SampledAnswer) -> None:
        """Take an answer."""
        if self._drift:
            self._drift.add(served.user, served.ranked)
        if served.shown:
            self._waiting.append(served.shown)
        if len(self._waiting) >= MOST_SHOWN:
            self.write()

    def measure(self) -> None:
        """Tell the drift of the answers so far."""
        if self._drift:
            self._metrics.drifted(self._drift.psi())

    def write(self) -> None:
        """Log what waits. What cannot be written is counted and given up, so that it does not pile up."""
        shown, self._waiting = self._waiting, []
        if not shown or not self._log:
            return
        try:
            self._log.write(shown)
        except Exception:
            self._metrics.logged.labels("failed").inc(len(shown))
            raise
        self._metrics.logged.labels("logged").inc(len(shown))
