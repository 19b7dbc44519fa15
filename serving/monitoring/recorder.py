"""What was served, looked at from aside: answers leave it in a bounded queue, and wait for nothing."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dbt_project.workspace import workspace
from serving.config import settings
from serving.monitoring.retention import remove_old_logs
from serving.monitoring.sample import SampledAnswer, Sampler
from serving.pipeline.user_context import UserContext
from serving.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from serving.pipeline.recommender import Recommender

log = logging.getLogger("cinefeast.served")
WAITING = 1_000
"""Answers that wait at most; one more is not looked at, and counted."""
PERIOD = 10.0
"""Seconds between two measurements, and two files of the log."""
PRUNED_EVERY = 3600.0
"""Seconds after which files that are old enough are removed again."""


class Recorder:
    """Takes ranked answers for users, measures and logs them. Thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self._keep_days = metrics, settings().keep_logs_days
        self._queue: queue.Queue[SampledAnswer | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._thread.start()

    def use(self, recommender: "Recommender") -> None:
        """Look at this one's answers from now on. What an earlier one has begun is still looked at as its own."""
        recommender.note = partial(self._note, Sampler(recommender, self._metrics))

    def _note(self, sampler: Sampler, context: UserContext, ranked: np.ndarray, movie_ids: list[int]) -> None:
        try:
            self._queue.put_nowait(sampler.kept(context, ranked, movie_ids))
        except queue.Full:
            self._metrics.unnoted.inc()

    def close(self) -> None:
        """Look at what waits, write it, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        sampler: Sampler | None = None
        due, prune_at, is_over = time.monotonic() + PERIOD, 0.0, False
        while not is_over:
            served = None
            try:
                served = self._queue.get(timeout=max(0.0, due - time.monotonic()))
                is_over = served is None
            except queue.Empty:
                pass
            if sampler and (is_over or time.monotonic() >= due or (served and served.sampler is not sampler)):
                attempt(sampler.measure)
                attempt(sampler.write)
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + PRUNED_EVERY
                attempt(remove_old_logs, workspace().logs, self._keep_days)
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
            if served:
                sampler = served.sampler
                attempt(sampler.add, served)


def attempt(work: Callable[..., object], *given: object) -> None:
    """Do it; a fault is logged, and the thread goes on."""
    try:
        work(*given)
    except Exception:
        log.exception("served features could not be looked at")
