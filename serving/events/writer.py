"""Events in: on disk before they are acknowledged, then in the online features, and there at the latest when they can.

One thread takes what all requests bring, so that requests beside each other share a file, an fsync and an update.
"""

import fcntl
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from feast import FeatureStore

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.events import Rating, RatingRecorder
from feature_repo.feedback_events import Feedback, land_feedback, renew_feedback
from serving.errors import NotWrittenError, OverloadedError
from serving.events.ledger import Ledger
from serving.features.reader import ONLINE_ERRORS
from serving.schemas.events import MOST_EVENTS, Event, Receipt

log = logging.getLogger("cinefeast.events")
WAITING_REQUESTS = 64
"""Requests with events that wait at most; one more is told to come again."""
AGAIN = 1.0
"""Seconds until an online store that did not answer is asked again."""


@dataclass(frozen=True)
class Sent:
    """The events of one request, and where its receipt goes."""

    events: Sequence[Event]
    receipt: "Future[Receipt]"


class EventLog:
    """Takes events for one process; several may share a workspace."""

    def __init__(self, store: FeatureStore, space: Workspace) -> None:
        self._store, self._space = store, space
        self._recorder = RatingRecorder(store)
        self._queue: queue.Queue[Sent | None] = queue.Queue(WAITING_REQUESTS)
        self._behind = True  # a killed process may have left some
        self._ask_again = 0.0
        self._is_started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()
        self._is_started.wait()

    def submit(self, events: Sequence[Event]) -> Receipt:
        """Returns when the events are on disk; OverloadedError where too many wait, NotWrittenError on a full disk."""
        sent = Sent(events, Future())
        try:
            self._queue.put_nowait(sent)
        except queue.Full:
            raise OverloadedError("too many events are waiting to be written") from None
        try:
            return sent.receipt.result()
        except (OSError, sqlite3.Error) as error:
            raise NotWrittenError(f"nothing was taken: {error}") from error

    def close(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ledger = Ledger(self._space.events / "accepted.db")
        self._catch_up(ledger)
        self._is_started.set()
        is_last = False
        while not is_last:
            sent, is_last = self._next()
            if sent:
                self._take(ledger, sent)
            elif self._behind:
                self._catch_up(ledger)
        ledger.close()

    def _next(self) -> tuple[list[Sent], bool]:
        """What was sent since, some of it, and whether the end was asked for; waits a second at most."""
        sent: list[Sent] = []
        patience = 0.001 if self._behind and time.monotonic() >= self._ask_again else AGAIN
        try:
            while sum(len(request.events) for request in sent) < MOST_EVENTS:
                request = self._queue.get_nowait() if sent else self._queue.get(timeout=patience)
                if request is None:
                    return sent, True
                sent.append(request)
        except queue.Empty:
            pass
        return sent, False

    def _take(self, ledger: Ledger, sent: list[Sent]) -> None:
        """Accept what several requests brought together, and answer each."""
        try:
            new = ledger.accept([event for request in sent for event in request.events], self._land)
        except Exception as error:
            log.exception("events could not be written")
            for request in sent:
                request.receipt.set_exception(error)
            return
        online = self._renew(ledger, new)
        # an id counts for the first request that brought it
        left = {event.event_id for event in new}
        for request in sent:
            mine = left & {event.event_id for event in request.events}
            left -= mine
            request.receipt.set_result(
                Receipt(accepted=len(mine), repeated=len(request.events) - len(mine), online=online)
            )

    def _land(self, events: list[Event]) -> None:
        if ratings := [rating(event) for event in events if event.kind == "rating"]:
            self._recorder.land(ratings)
        if feedback := [done(event) for event in events if event.kind != "rating"]:
            land_feedback(feedback)

    def _renew(self, ledger: Ledger, events: list[Event]) -> bool:
        """Bring the online features up to the events; False where the store does not answer."""
        if not events:
            return not self._behind
        if time.monotonic() < self._ask_again:
            self._behind = True
            return False
        try:
            with self._alone():
                self._renew_ratings([rating(event) for event in events if event.kind == "rating"])
                renew_feedback(self._store, [done(event) for event in events if event.kind != "rating"])
            ledger.is_online(events)
        except ONLINE_ERRORS as error:
            log.warning("%d events are on disk and wait for the online store: %s", len(events), error)
            return self._later()
        except Exception:  # a thread that ends would leave every later request waiting
            log.exception("%d events are on disk and could not be put online", len(events))
            return self._later()
        return True

    def _later(self) -> bool:
        self._behind, self._ask_again = True, time.monotonic() + AGAIN
        return False

    def _renew_ratings(self, ratings: list[Rating]) -> None:
        if not ratings:
            return
        try:
            self._recorder.renew(ratings)
        except CineFeastError:  # a film of them is not online: the others need not wait for the next build
            for one in ratings:
                try:
                    self._recorder.renew([one])
                except CineFeastError as error:
                    log.warning("a rating waits for the next build: %s", error)

    def _catch_up(self, ledger: Ledger) -> None:
        try:
            events = ledger.waiting(MOST_EVENTS)
        except sqlite3.Error as error:
            log.warning("the events that wait cannot be read: %s", error)
            self._later()
            return
        self._behind = bool(events)
        self._renew(ledger, events)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other worker of the workspace reads and rewrites features meanwhile; a killed one's lock dies with it."""
        with (self._space.events / ".renewing.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def rating(event: Event) -> Rating:
    """The event as the feature store takes it."""
    assert event.rating is not None
    return Rating(event.user_id, event.movie_id, event.rating, event.occurred_at)


def done(event: Event) -> Feedback:
    """The event as the feature store takes it."""
    assert event.kind != "rating"
    return Feedback(event.event_id, event.user_id, event.movie_id, event.kind, event.occurred_at)
