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

from dbt_project.workspace import Workspace
from feature_repo.events import Rating, RatingRecorder
from feature_repo.feedback_events import Feedback, land_feedback, renew_feedback
from serving.errors import NotWrittenError, OverloadedError
from serving.events.ledger import Ledger
from serving.features.reader import ONLINE_ERRORS
from serving.schemas.events import MOST_EVENTS, Event, Receipt
from serving.telemetry.metrics import Metrics

log = logging.getLogger("cinefeast.events")
WAITING_REQUESTS = 32
"""Requests with events that wait at most; one more is told to come again."""
AGAIN = 1.0
"""Seconds until an online store that did not answer is asked again."""
STUCK = 30.0
"""Seconds until events that the store answered for and could not take, such as of a film without features, are tried
again."""


@dataclass(frozen=True)
class Sent:
    """The events of one request, and where its receipt goes."""

    events: Sequence[Event]
    receipt: "Future[Receipt]"


class EventLog:
    """Takes events for one process; several may share a workspace. CineFeastError where its ledger cannot be used."""

    def __init__(self, store: FeatureStore, space: Workspace, metrics: Metrics) -> None:
        self._space, self._metrics = space, metrics
        self._recorder = RatingRecorder(store)
        self._queue: queue.Queue[Sent | None] = queue.Queue(WAITING_REQUESTS)
        self._behind = True  # a killed process may have left some
        self._away_until = 0.0
        """Until then, by time.monotonic(), the online store is not asked: it did not answer a moment ago."""
        self._round_at = 0.0
        """When catching up goes on."""
        self._after = ""
        """Where in the ledger the catching up is."""
        self._stuck = 0
        """Events passed by in this round of catching up."""
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()
        self._started.result()

    def use(self, store: FeatureStore) -> None:
        """Write online features to this store from now on."""
        self._recorder = RatingRecorder(store)

    def submit(self, events: Sequence[Event]) -> "Future[Receipt]":
        """The receipt, once the events are on disk, or NotWrittenError; OverloadedError at once where too many wait."""
        sent = Sent(events, Future())
        try:
            self._queue.put_nowait(sent)
        except queue.Full:
            raise OverloadedError("too many events are waiting to be written") from None
        return sent.receipt

    def close(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            ledger = Ledger(self._space.events / "accepted.db")
        except Exception as error:
            self._started.set_exception(error)
            return
        self._catch_up(ledger)
        self._started.set_result(None)
        is_last = False
        while not is_last:
            sent, is_last = self._next()
            if sent:
                self._take(ledger, sent)
            elif self._behind and time.monotonic() >= self._round_at:
                self._catch_up(ledger)
        ledger.close()

    def _next(self) -> tuple[list[Sent], bool]:
        """What was sent since, some of it, and whether the end was asked for; waits a second at most."""
        sent: list[Sent] = []
        patience = 0.001 if self._behind and time.monotonic() >= self._round_at else AGAIN
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
                request.receipt.set_exception(NotWrittenError(f"nothing was taken: {type(error).__name__}"))
            return
        self._renew(ledger, new)
        # an id counts for the first request that brought it
        left = {event.event_id for event in new}
        for request in sent:
            ids = {event.event_id for event in request.events}
            mine = left & ids
            left -= mine
            repeated = len(request.events) - len(mine)
            request.receipt.set_result(
                Receipt(accepted=len(mine), repeated=repeated, online=self._is_online(ledger, ids))
            )

    def _is_online(self, ledger: Ledger, event_ids: set[str]) -> bool:
        try:
            return not ledger.not_online(event_ids)
        except sqlite3.Error as error:
            log.warning("whether %d events are online is not known: %s", len(event_ids), error)
            return False

    def _land(self, events: list[Event]) -> None:
        if ratings := [rating(event) for event in events if event.kind == "rating"]:
            self._recorder.land(ratings)
        if feedback := [done(event) for event in events if event.kind != "rating"]:
            land_feedback(feedback)

    def _renew(self, ledger: Ledger, events: list[Event]) -> int:
        """Bring the online features up to the events, and note those of which that is true; how many are not."""
        online: list[Event] = []
        try:
            if events and time.monotonic() >= self._away_until:
                with self._alone():
                    online = self._written(events)
                ledger.are_online(online)
        except ONLINE_ERRORS as error:
            log.warning("%d events are on disk and wait for the online store: %s", len(events), error)
            online = self._store_is_away()
        except Exception:  # a thread that ends would leave every later request waiting
            log.exception("%d events are on disk and could not be put online", len(events))
            online = self._store_is_away()
        self._behind = self._behind or len(online) < len(events)
        return len(events) - len(online)

    def _store_is_away(self) -> list[Event]:
        self._away_until = self._round_at = time.monotonic() + AGAIN
        return []

    def _written(self, events: list[Event]) -> list[Event]:
        """Write the online rows of all events together, or one by one where that fails; those that were written."""
        ratings = [rating(event) for event in events if event.kind == "rating"]
        try:
            if ratings:
                self._recorder.renew(ratings)
            renew_feedback(self._recorder.store, [done(event) for event in events if event.kind != "rating"])
        except ONLINE_ERRORS:
            raise
        except Exception as error:  # of one of them: a film that is not online, or what nobody thought of
            if len(events) > 1:
                return [event for event in events if self._written([event])]
            log.warning("event %s waits: %s", events[0].event_id, error)
            return []
        return events

    def _catch_up(self, ledger: Ledger) -> None:
        """Try some of the events that wait, each once a round; a round that passed some by is followed by a rest."""
        try:
            events = ledger.waiting(MOST_EVENTS, self._after)
            backlog = ledger.backlog()
        except sqlite3.Error as error:
            log.warning("the events that wait cannot be read: %s", error)
            self._round_at = time.monotonic() + AGAIN
            return
        self._metrics.events_waiting.set(backlog.waiting)
        self._metrics.events_set_aside.set(backlog.set_aside)
        if not events:
            self._behind, self._after = self._stuck > 0, ""
            if self._stuck:
                self._round_at = time.monotonic() + STUCK
            self._stuck = 0
            return
        left = self._renew(ledger, events)
        if time.monotonic() >= self._away_until:  # else the store is away, and these are asked for again
            self._stuck, self._after = self._stuck + left, events[-1].event_id

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
