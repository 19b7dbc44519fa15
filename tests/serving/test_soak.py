"""Ten minutes of events while builds, some of them killed, and materialize run beside: `make soak`."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.commands import BIN, FOREVER, REPOSITORY, dbt_build, environment_of, materialize
from tests.conftest import OnRedis
from tests.features.online import compare_online_with_history
from tests.serving.servers import KEYS, PATIENCE, WRITER, served

pytestmark = [pytest.mark.slow, pytest.mark.scale]

SECONDS = float(os.environ.get("SECONDS", "600"))
EVERY = 60.0
"""Seconds from the start of a build to that of the next, if it has ended then."""
WRITERS = 4
FIRST_USER = 40_000


class Writer(threading.Thread):
    """Sends ratings, watches, clicks and hides of ten users of its own, one request after the other.

    Some are late by days, some are sent again, some films are rated once more. `acknowledged` are those that 202
    answered for: (user, film, second) of ratings, ids of the rest.
    """

    def __init__(self, url: str, number: int, films: list[int], is_over: threading.Event) -> None:
        super().__init__()
        self.url, self.number, self.films, self.is_over = url, number, films, is_over
        self.random = random.Random(number)
        self.ratings: set[tuple[int, int, int]] = set()
        self.feedback: set[str] = set()
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=PATIENCE, headers=WRITER) as client:
            turn, last = 0, self.events(0)
            while not self.is_over.is_set():
                turn += 1
                events = last if turn % 7 == 0 else self.events(turn)
                last = events
                status = client.post("/v1/events/bulk", json={"events": events}).status_code
                self.statuses[status] += 1
                if status == 202:
                    self.note(events)
                time.sleep(0.05)

    def events(self, turn: int) -> list[dict[str, Any]]:
        return [self.event(f"{self.number}-{turn}-{n}") for n in range(self.random.choice([1, 1, 1, 5, 30]))]

    def event(self, event_id: str) -> dict[str, Any]:
        late = timedelta(seconds=self.random.choice([0, 0, 0, self.random.randrange(86_400 * 30)]))
        event = {
            "event_id": event_id,
            "kind": self.random.choice(["rating"] * 6 + ["watch", "click", "hide"]),
            "user_id": FIRST_USER + 10 * self.number + self.random.randrange(10),
            "movie_id": self.random.choice(self.films),
            "occurred_at": (datetime.now(UTC) - late).replace(microsecond=0).isoformat(),
        }
        return event | ({"rating": self.random.randrange(1, 11) / 2} if event["kind"] == "rating" else {})

    def note(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["kind"] == "rating":
                second = int(datetime.fromisoformat(event["occurred_at"]).timestamp())
                self.ratings.add((event["user_id"], event["movie_id"], second))
            else:
                self.feedback.add(event["event_id"])


@contextmanager
def again_and_again(work: Any, is_over: threading.Event) -> Iterator[list[str]]:
    """Do the work every minute in a thread; the outcomes."""
    outcomes: list[str] = []

    def run() -> None:
        while not is_over.is_set():
            start = time.monotonic()
            outcomes.append(work(len(outcomes)))
            is_over.wait(max(0.0, start + EVERY - time.monotonic()))

    thread = threading.Thread(target=run)
    thread.start()
    yield outcomes
    thread.join()


def build(root: Path, number: int) -> str:
    """A build as users run it; every fifth, the second first, is killed on its way."""
    folders = {"DBT_TARGET_PATH": str(root / "dbt_target"), "DBT_LOG_PATH": str(root / "dbt_logs")}
    process = subprocess.Popen(
        [str(BIN / "dbt"), "--quiet", "build"],
        cwd=REPOSITORY / "dbt_project",
        env=environment_of(root, **folders),
        stdout=subprocess.DEVNULL,
    )
    if number % 5 == 1:
        time.sleep(random.Random(number).uniform(5, 40))
        process.kill()
    return {0: "published", -signal.SIGKILL: "killed"}.get(process.wait(), "failed")


def test_events_builds_kills_and_materialize_beside_each_other(
    redis_demo: OnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, address = redis_demo.root, redis_demo.server.address
    warehouse = root / "warehouse" / "cinefeast.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        films = [film for (film,) in connection.sql("select movie_id from core.dim_movies").fetchall()]
    is_over = threading.Event()

    def materialized(_: int) -> str:
        environment = environment_of(root, REDIS_CONNECTION_STRING=address)
        command = [str(BIN / "feast"), "-f", "feature_store.redis.yaml", "materialize", *FOREVER]
        done = subprocess.run(command, cwd=REPOSITORY / "feature_repo", env=environment, capture_output=True, text=True)
        return "done" if done.returncode == 0 else done.stdout + done.stderr

    with served(root, workers=2, REDIS_CONNECTION_STRING=address, **KEYS) as client, ExitStack() as beside:
        writers = [Writer(str(client.base_url), number, films, is_over) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        builds = beside.enter_context(again_and_again(lambda number: build(root, number), is_over))
        materializes = beside.enter_context(again_and_again(materialized, is_over))
        is_over.wait(SECONDS)
        is_over.set()
        for writer in writers:
            writer.join()
    statuses = sum((writer.statuses for writer in writers), Counter())
    dbt_build(root)
    materialize(root, redis=address)

    sent = [rating for writer in writers for rating in writer.ratings]
    acted = [event_id for writer in writers for event_id in writer.feedback]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        query = "select user_id, movie_id, epoch(rated_at)::bigint from core.fct_ratings where user_id >= ?"
        ratings = Counter(connection.execute(query, [FIRST_USER]).fetchall())
        feedback = Counter(connection.sql("select event_id from core.fct_feedback").fetchall())
        users = [user for (user,) in connection.sql("select user_id from core.dim_users").fetchall()]
    lost = len(set(sent) - ratings.keys()) + len({(event_id,) for event_id in acted} - feedback.keys())
    doubled = sum(count > 1 for count in (ratings | feedback).values())
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    from feature_repo.store import load_store

    compared = compare_online_with_history(load_store(), users, films)
    print(
        f"{len(set(sent)) + len(acted):,} events acknowledged in {SECONDS:.0f} s, {lost} lost, {doubled} doubled; "
        f"answers {dict(statuses)}; builds {dict(Counter(builds))}; materialize {dict(Counter(materializes))}; "
        f"{compared:,} online values compared with history, 0 mismatches"
    )
    assert set(statuses) <= {202, 503}
    assert (lost, doubled) == (0, 0)
    assert set(builds) == {"published", "killed"}
    assert set(materializes) == {"done"}
