"""Each stage of an answer within its time: one that is late, raises or is known to be down is left out, and said so."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from serving.config import settings
from serving.telemetry.metrics import Metrics

REST = 1.0
"""Seconds that a stage is left alone which took long to fail."""
LONG = 0.05
"""Seconds; what fails sooner costs an answer little and may be asked again at once."""
ALONE = 0.05
"""Seconds that stages begun together share a thread: more threads would wait for each other's interpreter lock, and one
that hands over to another takes longer than some stages do. One that hangs keeps the others so long and no longer."""


class StageError(Exception):
    """A stage that gave nothing; the message says which and why."""


class Stages:
    """Runs named stages. Thread-safe.

    A late call is not stopped, as no thread can be, but its stage is not asked again before it ends: what hangs holds
    one thread, not one a request.
    """

    def __init__(self, metrics: Metrics, threads: int = 32) -> None:
        self.metrics = metrics
        given = settings()
        self.budgets = {"features": given.budget_features, "recall": given.budget_recall, "rank": given.budget_rank}
        """Seconds that a stage may take before the answer goes on without it; recall is all channels together."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stage")
        self._lock = threading.Lock()
        self._late: dict[str, Future[Any]] = {}
        self._rests_until: dict[str, float] = {}

    def start(self, works: Mapping[str, Callable[[], Any]]) -> dict[str, Future[Any]]:
        """Begin stages by name, one after the other in one thread; those not begun after ALONE seconds, beside.

        A future raises StageError where the stage hangs, or failed a moment ago.
        """
        begun: dict[str, Future[Any]] = {name: Future() for name in works}
        waiting = deque(name for name in works if not self._is_shut(name, begun[name]))

        def go_on() -> None:
            while waiting:
                try:
                    name = waiting.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    begun[name].set_result(self._timed(name, works[name]))
                except Exception as error:
                    begun[name].set_exception(error)

        with suppress(TimeoutError):
            self._pool.submit(go_on).result(ALONE)
        for _ in range(len(waiting)):
            self._pool.submit(go_on)
        return begun

    def _is_shut(self, name: str, begun: Future[Any]) -> bool:
        """Whether a stage is not asked now; its future says why."""
        with self._lock:
            late = self._late.get(name)
            if late and not late.done():
                begun.set_exception(StageError(f"{name}: an earlier call has not ended"))
            elif time.monotonic() < self._rests_until.get(name, 0.0):
                begun.set_exception(StageError(f"{name}: did not answer a moment ago"))
        return begun.done()

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.monotonic()
        try:
            with self.metrics.stage(name):
                return work()
        except Exception:
            if time.monotonic() - started > LONG:
                self._rests_until[name] = time.monotonic() + REST
            raise

    def result(self, name: str, begun: Future[Any], until: float) -> Any:
        """What a stage gives before `until`, by time.monotonic(); StageError where it is late or raises."""
        try:
            return begun.result(max(0.0, until - time.monotonic()))
        except StageError:
            raise
        except TimeoutError as error:
            if begun.done():  # the work's own
                raise StageError(f"{name}: {error}") from error
            with self._lock:
                self._late[name] = begun
            raise StageError(f"{name}: late") from None
        except Exception as error:
            raise StageError(f"{name}: {type(error).__name__}: {error}") from error

    def run(self, name: str, seconds: float, work: Callable[[], Any]) -> Any:
        """Start a stage and wait for it for so many seconds."""
        until = time.monotonic() + seconds
        return self.result(name, self.start({name: work})[name], until)

    def close(self) -> None:
        """Take no more; what hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)
