"""What was served, looked at from aside: answers leave it in a bounded queue, and wait for nothing."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dbt_project.workspace import workspace
from models.rank import trained_on
from serving.drift import Drift
from serving.metrics import Metrics
from serving.people import Person

if TYPE_CHECKING:
    from serving.recommender import Recommender

log = logging.getLogger("cinefeast.served")
WAITING = 1_000
"""Answers that wait at most; one more is not looked at, and counted."""
PERIOD = 10.0
"""Seconds between two measurements."""


@dataclass(frozen=True)
class Served:
    """What is kept of an answer."""

    look: "Look"
    user: pa.Table
    """The user's features as they were read, one row; histories are left out."""
    ranked: np.ndarray
    """The films that the ranker put in order."""


class Look:
    """Looks at the answers of one recommender, beside what its ranker was trained on."""

    def __init__(self, recommender: "Recommender", metrics: Metrics) -> None:
        self._films, self._metrics = recommender.catalogue.table, metrics
        known = {field.name for field in recommender.features.user_fields.values()}
        sample = trained_on.read(workspace().artifacts)
        self._drift = Drift(sample, known, self._films) if sample else None
        self._names = self._drift.user_features if self._drift else []

    def kept(self, person: Person, ranked: np.ndarray) -> Served:
        """Of an answer what is looked at later."""
        return Served(self, person.row.select(self._names), ranked)

    def add(self, served: Served) -> None:
        """Take an answer."""
        if self._drift:
            self._drift.add(served.user, served.ranked)

    def flush(self) -> None:
        """Tell what came of the answers so far."""
        if self._drift:
            self._metrics.drifted(self._drift.psi())


class ServedFeatures:
    """Takes ranked answers for users and measures their drift. Thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._look: Look | None = None
        self._queue: queue.Queue[Served | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._thread.start()

    def use(self, recommender: "Recommender") -> None:
        """Look at this one's answers from now on."""
        self._look = Look(recommender, self._metrics)
        recommender.served = self

    def note(self, person: Person, ranked: np.ndarray) -> None:
        """Leave an answer to be looked at. Never waits."""
        look = self._look
        if look is None:
            return
        try:
            self._queue.put_nowait(look.kept(person, ranked))
        except queue.Full:
            self._metrics.unnoted.inc()

    def close(self) -> None:
        """Look at what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        look: Look | None = None
        due, is_over = time.monotonic() + PERIOD, False
        while not is_over:
            served = None
            try:
                served = self._queue.get(timeout=max(0.0, due - time.monotonic()))
                is_over = served is None
            except queue.Empty:
                pass
            if look and (is_over or time.monotonic() >= due or (served and served.look is not look)):
                attempt(look.flush)
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
            if served:
                look = served.look
                attempt(look.add, served)


def attempt(work: Callable[..., None], *given: object) -> None:
    """Do it; a fault is logged, and the thread goes on."""
    try:
        work(*given)
    except Exception:
        log.exception("served features could not be looked at")
