"""The ledger and the writing thread under what can go wrong: no error outlives its cause, no receipt claims too much.

What is written online is a stub's here; tests/serving/test_loop.py has the real stores.
"""

import asyncio
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from pydantic import ValidationError

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from serving.api.auth import Keys
from serving.api.routes.events import add_events
from serving.doctor.events import events_check
from serving.errors import NotWrittenError, OverloadedError
from serving.events import writer
from serving.events.ledger import Backlog, Ledger, Mark, read_backlog, renewed_since
from serving.events.ledger_file import moved_aside
from serving.events.writer import EventLog
from serving.schemas.events import Event, Receipt
from serving.telemetry.metrics import Metrics
from tests.serving.servers import wait_for

NOW = datetime.now(UTC)
NOT_ONLINE = 404
"""A film without features online."""
ODD = 500
"""A film that makes the writer fail as nobody thought of."""


def event(name: str, movie_id: int = 1, kind: Any = "rating") -> Event:
    rating = 4.0 if kind == "rating" else None
    return Event(event_id=name, kind=kind, user_id=1, movie_id=movie_id, rating=rating, occurred_at=NOW)


class StubStore:
    """Stands for the feature store: what was landed, what is online, and whether it answers."""

    def __init__(self) -> None:
        self.store = self
        self.landed: list[int] = []
        self.online: set[int] = set()
        self.error: Exception | None = None
        self.known: set[int] = set()

    def land(self, ratings: list[Any]) -> None:
        self.landed += [rating.movie_id for rating in ratings]

    def renew(self, ratings: list[Any]) -> None:
        if self.error:
            raise self.error
        for rating in ratings:
            if rating.movie_id == NOT_ONLINE and NOT_ONLINE not in self.known:
                raise CineFeastError("film 404 has no features online", "feast materialize")
            if rating.movie_id == ODD:
                raise ValueError("odd")
        self.online |= {rating.movie_id for rating in ratings}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> StubStore:
    stub = StubStore()
    monkeypatch.setattr(writer, "RatingRecorder", lambda store: stub)
    monkeypatch.setattr(writer, "renew_feedback", lambda store, events: None)
    monkeypatch.setattr(writer, "AGAIN", 0.05)
    monkeypatch.setattr(writer, "STUCK", 0.2)
    return stub


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def started(store: StubStore, space: Workspace) -> Iterator[Callable[[], EventLog]]:
    """Starts event logs, which end with the test."""
    logs: list[EventLog] = []

    def start() -> EventLog:
        logs.append(EventLog(store, space, Metrics()))  # type: ignore[arg-type]
        return logs[-1]

    yield start
    for one in logs:
        one.close()


def ledger_file(space: Workspace) -> Path:
    return space.events / "accepted.db"


@pytest.mark.parametrize("step", ["are_online", "_set_aside"])
def test_an_error_within_a_transaction_ends_with_it(tmp_path: Path, step: str) -> None:
    ledger = Ledger(tmp_path / "accepted.db")
    ledger.accept([event("a")], lambda events: None)
    with closing(sqlite3.connect(tmp_path / "accepted.db")) as other:
        other.execute("create trigger full before update on accepted begin select raise(fail, 'full'); end")
    arguments: Any = {"are_online": ([event("a")],), "_set_aside": ("a", "{}", "reason")}[step]
    with pytest.raises(sqlite3.Error, match="full"):
        getattr(ledger, step)(*arguments)
    with closing(sqlite3.connect(tmp_path / "accepted.db")) as other:
        other.execute("drop trigger full")
    assert ledger.accept([event("b")], lambda events: None) == [event("b")]
    assert [one.event_id for one in ledger.waiting(10).events] == ["a", "b"]
    with closing(Ledger(tmp_path / "accepted.db")) as other:  # another worker is not locked out
        assert other.accept([event("c")], lambda events: None) == [event("c")]


def test_nothing_is_accepted_that_was_not_landed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "accepted.db")

    def full(events: list[Event]) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        ledger.accept([event("a")], full)
    assert ledger.accept([event("a")], lambda events: None) == [event("a")]


def damage(path: Path) -> None:
    """Overwrite it in place, and what SQLite has not put into it yet, as another process: this one's locks would go."""
    junk = path.with_name("junk")
    junk.write_bytes(b"no database" * 10_000)
    for file in (path, path.with_name(f"{path.name}-wal")):
        subprocess.run(["cp", junk, file], check=True)


def test_a_damaged_ledger_is_moved_aside_at_the_start(started: Callable[[], EventLog], space: Workspace) -> None:
    space.events.mkdir(parents=True)
    ledger_file(space).write_bytes(b"no database" * 1000)
    with pytest.raises(CineFeastError, match=r"accepted\.db cannot be used: file is not a database; next: mv "):
        events_check(space)
    assert started().submit([event("a")]).result().accepted == 1
    aside = ledger_file(space).with_name("accepted.db.damaged")
    assert aside.read_bytes().startswith(b"no database"), "nothing was overwritten"
    check = events_check(space)
    assert (check.status, "accepted.db.damaged was damaged" in check.detail) == ("warn", True)


def test_workers_go_on_with_another_ledger_once_theirs_is_damaged(
    started: Callable[[], EventLog], store: StubStore, space: Workspace
) -> None:
    """Nobody sends anything meanwhile: they find out by themselves, and so do charts, which read it."""
    logs = [started(), started()]
    for number, log in enumerate(logs):
        assert log.submit([event(f"before-{number}", number)]).result().accepted == 1
    mark, films = renewed_since(ledger_file(space), Mark())
    assert films == [0, 1]
    for turn in range(2):
        damage(ledger_file(space))
        wait_for(lambda turn=turn: len(moved_aside(ledger_file(space))) == turn + 1, "the damaged ledger is moved")
        wait_for(lambda: ledger_file(space).exists(), "another one")
        assert logs[0].submit([event(f"after-{turn}", 7 + turn)]).result() == Receipt(
            accepted=1, repeated=0, online=True
        )
        assert logs[1].submit([event(f"after-{turn}", 7 + turn)]).result() == Receipt(
            accepted=0, repeated=1, online=True
        )
        mark, films = renewed_since(ledger_file(space), mark)
        assert films == [7 + turn], "counted anew"
    assert store.landed == [0, 1, 7, 8]


def test_what_a_ledger_does_not_know_is_not_called_online(tmp_path: Path) -> None:
    """It may have been in one that was damaged a moment ago."""
    ledger = Ledger(tmp_path / "accepted.db")
    ledger.accept([event("a")], lambda events: None)
    assert ledger.not_online(["a", "b"]) == {"a", "b"}
    ledger.are_online([event("a")])
    assert ledger.not_online(["a", "b"]) == {"b"}


def test_a_ledger_that_was_moved_away_is_let_go_of(tmp_path: Path) -> None:
    path = tmp_path / "accepted.db"
    ledger = Ledger(path)
    ledger.accept([event("a")], lambda events: None)
    path.rename(tmp_path / "elsewhere")
    assert ledger.accept([event("a")], lambda events: None) == [event("a")]
    assert path.exists()


def test_a_row_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    started: Callable[[], EventLog], store: StubStore, space: Workspace
) -> None:
    store.error = ConnectionError("away")
    first = started()
    first.submit([event("a"), event("b", 2), event("c", 3)]).result()
    first.close()
    with closing(sqlite3.connect(ledger_file(space))) as ledger, ledger:
        ledger.execute("""update accepted set waiting = '{"of": "another version"}' where event_id = 'b'""")
    store.error = None
    log = started()
    wait_for(lambda: store.online == {1, 3}, "the others online")
    wait_for(lambda: read_backlog(ledger_file(space)) == Backlog(0, 1), "one set aside")
    check = events_check(space)
    assert (check.status, check.detail.split(" events")[0]) == ("warn", "1")
    assert log.submit([event("b", 2)]).result().online is False, "it was accepted, and is not online"
    wait_for(lambda: "cinefeast_events_set_aside 1.0" in log._metrics.text().decode(), "told in metrics")


def test_online_is_what_was_written(started: Callable[[], EventLog], store: StubStore, space: Workspace) -> None:
    log = started()
    alone = log.submit([event("gone", NOT_ONLINE)]).result()
    assert (alone.accepted, alone.online) == (1, False)
    both = log.submit([event("fine"), event("odd", ODD)]).result()
    assert (both.accepted, both.online) == (2, False)
    assert log.submit([event("fine")]).result().online is True, "one event holds up no other"
    assert 1 in store.online
    assert events_check(space).detail.startswith("2 events wait")
    store.known.add(NOT_ONLINE)  # as `feast materialize` would
    wait_for(lambda: NOT_ONLINE in store.online, "what could not be written is tried again")
    wait_for(lambda: log.submit([event("gone", NOT_ONLINE)]).result().online, "and told once it is")
    assert store.landed == [NOT_ONLINE, 1, ODD], "landed once each"


def test_more_events_wait_than_are_tried_at_once(
    started: Callable[[], EventLog], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that can never be written do not keep the others from their turn."""
    monkeypatch.setattr(writer, "MOST_EVENTS", 4)
    store.error = ConnectionError("away")
    log = started()
    log.submit([event(f"a{n}", ODD) for n in range(6)] + [event(f"b{n}", 10 + n) for n in range(6)]).result()
    store.error = None
    wait_for(lambda: store.online == {10 + n for n in range(6)}, "all that can be written")


def test_a_store_that_is_away_is_asked_again(started: Callable[[], EventLog], store: StubStore) -> None:
    log = started()
    store.error = ConnectionError("away")
    assert log.submit([event("a")]).result().online is False
    store.error = None
    wait_for(lambda: store.online == {1}, "online")


def test_a_full_queue_is_told_at_once(
    started: Callable[[], EventLog], store: StubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WAITING_REQUESTS", 1)
    log = started()
    goes_on, begun = threading.Event(), threading.Event()
    land = store.land

    def slow(ratings: list[Any]) -> None:
        begun.set()
        goes_on.wait()
        land(ratings)

    store.land = slow  # type: ignore[method-assign]
    receipts = [log.submit([event("a")])]
    begun.wait()
    receipts.append(log.submit([event("b")]))
    with pytest.raises(OverloadedError):
        log.submit([event("c")])
    goes_on.set()
    assert [receipt.result().accepted for receipt in receipts] == [1, 1]


def test_what_waits_at_the_end_is_written_and_nothing_is_taken_after(started: Callable[[], EventLog]) -> None:
    log = started()
    receipts = [log.submit([event(f"e{n}")]) for n in range(20)]
    log.close()
    assert [receipt.result().accepted for receipt in receipts] == [1] * 20
    with pytest.raises(NotWrittenError, match="stopping"):
        log.submit([event("late")])


def test_a_receipt_cannot_be_cancelled(started: Callable[[], EventLog]) -> None:
    log = started()
    receipt = log.submit([event("a")])
    assert not receipt.cancel()
    assert receipt.result().accepted == 1
    assert log.submit([event("b")]).result().accepted == 1, "the thread goes on"


def test_a_start_that_fails_otherwise_is_told(started: Callable[[], EventLog], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(Ledger, "waiting", broken)
    with pytest.raises(ValueError, match="odd"):
        started()


def test_unreadable_rows_in_front_keep_no_other_from_its_turn(
    started: Callable[[], EventLog], store: StubStore, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_EVENTS", 2)
    store.error = ConnectionError("away")
    first = started()
    first.submit([event(f"a{n}") for n in range(5)] + [event("z", 9)]).result()
    first.close()
    with closing(sqlite3.connect(ledger_file(space))) as ledger, ledger:
        ledger.execute("update accepted set waiting = '{}' where event_id like 'a%'")
    store.error = None
    started()
    wait_for(lambda: store.online == {9}, "the readable one")
    wait_for(lambda: read_backlog(ledger_file(space)) == Backlog(0, 5), "the others set aside")


def test_what_comes_behind_the_round_is_tried_again(started: Callable[[], EventLog], store: StubStore) -> None:
    """An id that sorts before where the catching up is."""
    log = started()
    assert not log.submit([event("m", ODD)]).result().online
    wait_for(lambda: log._after == "" and log._round_at > time.monotonic(), "a round has ended")
    assert not log.submit([event("a", NOT_ONLINE)]).result().online
    store.known.add(NOT_ONLINE)
    wait_for(lambda: NOT_ONLINE in store.online, "tried again")


def test_workers_that_start_at_once_make_one_ledger(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number) / "accepted.db"
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _, path=path: Ledger(path).backlog(), range(4))) == [Backlog(0, 0)] * 4


def test_a_ledger_of_an_older_version_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "accepted.db"
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("create table accepted (event_id text primary key, waiting text) without rowid")
        ledger.execute("insert into accepted values ('a', '{}')")
    assert read_backlog(path) == Backlog(1, 0)


def test_a_ledger_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "accepted.db").mkdir()
    with pytest.raises(CineFeastError, match=r"cannot be used.*; next: ls -l"):
        Ledger(tmp_path / "accepted.db")


def test_what_cannot_be_landed_is_not_taken(started: Callable[[], EventLog], store: StubStore) -> None:
    log = started()
    land = store.land

    def full(ratings: list[Any]) -> None:
        raise OSError(28, "No space left on device", "/somewhere/secret")

    store.land = full  # type: ignore[method-assign]
    with pytest.raises(NotWrittenError) as refused:
        log.submit([event("a")]).result()
    assert "secret" not in refused.value.detail, "no path of the machine in an answer"
    store.land = land  # type: ignore[method-assign]
    assert log.submit([event("a")]).result().accepted == 1


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": True}, {"movie_id": True}, {"rating": True}, {"user_id": "1"}, {"user_id": 1.0}, {"rating": "4"},
        {"occurred_at": NOW + timedelta(hours=1)}, {"occurred_at": "2099-06-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_what_only_looks_like_an_event_is_none(change: dict[str, Any]) -> None:
    body = event("a").model_dump()
    with pytest.raises(ValidationError):
        Event.model_validate(body | change)


def test_an_event_of_a_clock_that_was_set_back_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "accepted.db")
    accepted = event("a")
    ledger.accept([accepted], lambda events: None)
    monkeypatch.setattr("dbt_project.event_contract.AHEAD", -timedelta(days=1))
    assert ledger.waiting(10).events == [accepted]


def test_no_event_holds_an_answer() -> None:
    """However many requests with events wait for the disk, a request for a list finds a thread at once."""
    written: list[Future[Receipt]] = []

    def submit(events: Any) -> "Future[Receipt]":
        written.append(Future())
        return written[-1]

    service: Any = SimpleNamespace(
        recommender=SimpleNamespace(films={1}), events=SimpleNamespace(submit=submit), metrics=Metrics()
    )

    async def count_writes(key: str | None, count: int) -> None:
        return

    app, keys = FastAPI(), SimpleNamespace(check=lambda may, key: None, count_writes=count_writes)
    app.state.service, app.state.keys = service, keys
    add_events(app, service, cast(Keys, keys))

    @app.get("/v1/popular")
    def popular() -> str:
        return "a list"

    async def ask() -> list[int]:
        current_default_thread_limiter().total_tokens = 4
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            body = event("a").model_dump(mode="json")
            sent = [asyncio.create_task(client.post("/v1/events", json=body)) for _ in range(12)]
            while len(written) < 12:
                await asyncio.sleep(0.01)
            assert (await asyncio.wait_for(client.get("/v1/popular"), 60)).json() == "a list"
            sent[0].cancel()  # a client that goes away
            for one in written:
                one.set_result(Receipt(accepted=1, repeated=0, online=True))
            return [(await task).status_code for task in sent[1:]]

    assert asyncio.run(asyncio.wait_for(ask(), 120)) == [202] * 11
