"""Events in: on disk before they are acknowledged, then in the online features, and there at the latest when they can.

One thread takes what all requests bring, so that requests beside each other share a file, an fsync and an update.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass

from feast import FeatureStore

from dbt_project.errors import CineFeastError
from dbt_project.events.tombstones import ErasedUserError, erased_users, refuse_erased
from dbt_project.workspace import Workspace
from feature_repo.events import Rating, RatingRecorder
from feature_repo.feedback_events import Feedback, land_feedback, renew_feedback
from serving.config import settings
from serving.errors import ErasedError, NotWrittenError, OverloadedError
from serving.events.alone import alone
from serving.events.ledger import Ledger
from serving.features.reader import ONLINE_ERRORS
from serving.schemas.events import MOST_EVENTS, Event, Receipt
from serving.telemetry.metrics import Metrics

log = logging.getLogger("cinefeast.events")
WAITING_REQUESTS = 32
"""Requests with events that wait at most; one more is told to come again."""
AGAIN = 1.0
"""Seconds until an online store that did not answer is asked again."""
LOOKED_AT_EVERY = 2.0
"""Seconds after which it is looked again whether the ledger is sound."""
STUCK = 30.0
"""Seconds until events that the store answered for and could not take, such as of a film without features, are tried
again."""
LEDGER_ERRORS = (sqlite3.Error, OSError)
"""What a ledger raises that cannot be used this time."""
PRUNED_EVERY = 3600.0
"""Seconds after which ids that are old enough are forgotten again."""


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
        self._lock = threading.Lock()
        """Held while the queue is closed, or taken to."""
        self._is_closed, self._stop = False, threading.Event()
        self._behind = True  # a killed process may have left some
        self._away_until = 0.0
        """Until then, by time.monotonic(), the online store is not asked: it did not answer a moment ago."""
        self._round_at = 0.0
        """When catching up goes on."""
        self._after = ""
        """Where in the ledger the catching up is."""
        self._keep_days, self._prune_at = settings().keep_accepted_days, 0.0
        self._look_at = 0.0
        """When the ledger is looked at again."""
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
        sent.receipt.set_running_or_notify_cancel()  # from here on nobody can take it back
        with self._lock:
            if self._is_closed:
                raise NotWrittenError("nothing was taken: the server is stopping")
            try:
                self._queue.put_nowait(sent)
            except queue.Full:
                raise OverloadedError("too many events are waiting to be written") from None
        return sent.receipt

    def close(self) -> None:
        """Write what waits, then end."""
        self._stop.set()
        with suppress(queue.Full):
            self._queue.put_nowait(None)  # so that the thread looks now
        self._thread.join()

    def _run(self) -> None:
        try:
            ledger = Ledger(self._space.events / "accepted.db")
            with closing(ledger):
                self._catch_up(ledger)
                self._started.set_result(None)
                while not (self._stop.is_set() and self._queue.empty()):
                    self._go_on(ledger)
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            else:
                log.exception("events are not taken any more")
        finally:
            self._refuse_the_rest()

    def _go_on(self, ledger: Ledger) -> None:
        """Take what was sent, or some of what waits; under load some of what waits every AGAIN seconds."""
        if sent := self._next():
            self._take(ledger, sent)
        if time.monotonic() >= self._look_at:
            self._look(ledger)
        if time.monotonic() >= self._prune_at:
            self._forget_old(ledger)
        if self._behind and time.monotonic() >= self._round_at:
            self._catch_up(ledger)
            if sent:
                self._round_at = max(self._round_at, time.monotonic() + AGAIN)

    def _look(self, ledger: Ledger) -> None:
        """Find out that the ledger is damaged before somebody sends an event or asks for a chart."""
        self._look_at = time.monotonic() + LOOKED_AT_EVERY
        try:
            ledger.check()
        except LEDGER_ERRORS as error:
            log.warning("the ledger of accepted events cannot be read: %s", error)

    def _forget_old(self, ledger: Ledger) -> None:
        """Forget the ids of events that were accepted long ago."""
        self._prune_at = time.monotonic() + PRUNED_EVERY
        try:
            ledger.forget_done(time.time() - self._keep_days * 86_400)
        except LEDGER_ERRORS as error:
            log.warning("old ids of events are kept for now: %s", error)

    def _refuse_the_rest(self) -> None:
        with self._lock:
            self._is_closed = True
        while not self._queue.empty():
            if request := self._queue.get_nowait():
                request.receipt.set_exception(NotWrittenError("nothing was taken: the server is stopping"))

    def _next(self) -> list[Sent]:
        """What was sent since, or some of it; waits a second at most."""
        sent: list[Sent] = []
        patience = 0.001 if self._behind and time.monotonic() >= self._round_at else AGAIN
        with suppress(queue.Empty):
            while sum(len(request.events) for request in sent) < MOST_EVENTS:
                request = self._queue.get_nowait() if sent else self._queue.get(timeout=patience)
                if request is None:
                    break
                sent.append(request)
        return sent

    def _take(self, ledger: Ledger, sent: list[Sent]) -> None:
        """Accept what several requests brought together, and answer each."""
        if not (sent := [request for request in sent if not self._is_refused(request)]):
            return
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

    def _is_refused(self, request: Sent) -> bool:
        """Whether it has something of an erased user, which is then its answer."""
        try:
            refuse_erased(self._space.events, [event.user_id for event in request.events])
        except ErasedUserError as error:
            request.receipt.set_exception(ErasedError(error.what))
        except (CineFeastError, OSError) as error:
            log.error("who was erased is not known, and nothing is taken: %s", error)
            request.receipt.set_exception(NotWrittenError("nothing was taken: who was erased is not known"))
        else:
            return False
        return True

    def _is_online(self, ledger: Ledger, event_ids: set[str]) -> bool:
        try:
            return not ledger.not_online(event_ids)
        except LEDGER_ERRORS as error:
            log.warning("whether %d events are online is not known: %s", len(event_ids), error)
            return False

    def _land(self, events: list[Event]) -> None:
        if ratings := [rating(event) for event in events if event.kind == "rating"]:
            self._recorder.land(ratings)
        if feedback := [done(event) for event in events if event.kind != "rating"]:
            land_feedback(feedback)

    def _renew(self, ledger: Ledger, events: list[Event]) -> int | None:
        """Bring the online features up to the events, and note those of which that is true.

        How many could not be brought; None where the store did not answer, now or a moment ago.
        """
        left: int | None = None
        try:
            if time.monotonic() >= self._away_until:
                with alone(self._space):
                    erased = erased_users(self._space.events)
                    gone = [event for event in events if event.user_id in erased]
                    settled = gone + self._written([event for event in events if event.user_id not in erased])
                ledger.are_online(settled)
                left = len(events) - len(settled)
        except ONLINE_ERRORS as error:
            log.warning("%d events are on disk and wait for the online store: %s", len(events), error)
            self._store_is_away()
        except Exception:  # a thread that ends would leave every later request waiting
            log.exception("%d events are on disk and could not be put online", len(events))
            self._store_is_away()
        self._behind = self._behind or (left != 0 and bool(events))
        return left

    def _store_is_away(self) -> None:
        self._away_until = self._round_at = time.monotonic() + AGAIN

    def _written(self, events: list[Event]) -> list[Event]:
        """Write the online rows of all events together, or in parts where that fails; those that were written.

        A film that is not online is one part, and holds up no other; for what nobody thought of each user is one, too.
        """
        try:
            if ratings := [rating(event) for event in events if event.kind == "rating"]:
                self._recorder.renew(ratings)
            renew_feedback(self._recorder.store, [done(event) for event in events if event.kind != "rating"])
        except ONLINE_ERRORS:
            raise
        except Exception as error:
            parts = split(events, by_user=not isinstance(error, CineFeastError))
            if len(parts) > 1:
                return [event for part in parts for event in self._written(part)]
            log.warning("%d events of film %d wait: %s", len(events), events[0].movie_id, error)
            return []
        return events

    def _catch_up(self, ledger: Ledger) -> None:
        """Try some of the events that wait, each once a round; a round that passed some by is followed by a rest."""
        try:
            page, backlog = ledger.waiting(MOST_EVENTS, self._after), ledger.backlog()
        except LEDGER_ERRORS as error:
            log.warning("the events that wait cannot be read: %s", error)
            self._round_at = time.monotonic() + AGAIN
            return
        self._metrics.events_waiting.set(backlog.waiting)
        self._metrics.events_set_aside.set(backlog.set_aside)
        if page.last:
            if (left := self._renew(ledger, page.events)) is not None:  # else these are asked for again
                self._stuck, self._after = self._stuck + left, page.last
            return
        self._behind = backlog.waiting > 0  # some came since that lie before where this round was
        if self._stuck:
            self._round_at = time.monotonic() + STUCK
        self._stuck, self._after = 0, ""


def rating(event: Event) -> Rating:
    """The event as the feature store takes it."""
    assert event.rating is not None
    return Rating(event.user_id, event.movie_id, event.rating, event.occurred_at)


def done(event: Event) -> Feedback:
    """The event as the feature store takes it."""
    assert event.kind != "rating"
    return Feedback(event.event_id, event.user_id, event.movie_id, event.kind, event.occurred_at)


def split(events: Sequence[Event], by_user: bool) -> list[list[Event]]:
    """The events of each film or, where all are of one, of each user."""
    parts: dict[int, list[Event]] = {}
    is_one_film = len({event.movie_id for event in events}) == 1
    for event in events:
        key = event.user_id if is_one_film and by_user else event.movie_id
        parts.setdefault(key, []).append(event)
    return list(parts.values())
