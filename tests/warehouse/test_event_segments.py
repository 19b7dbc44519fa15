"""Landing events, sealing and merging them: nothing is lost or doubled, whoever is killed when."""

import json
import multiprocessing
import os
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_project.errors import CineFeastError
from dbt_project.events import append as appending
from dbt_project.events import seal as sealing
from dbt_project.events.append import append
from dbt_project.events.read import landed_counts, pending_files, read_all, read_sealed, segments
from dbt_project.events.schemas import FILMS, RATINGS, SCHEMAS
from dbt_project.events.seal import FIRST, seal_events
from dbt_project.workspace import Workspace

SCHEMA = SCHEMAS[RATINGS]
FORK = multiprocessing.get_context("fork")
START = datetime(2024, 1, 1)


def ratings(*users: int) -> pa.Table:
    """A rating of each user; the id of the user tells one from another."""
    rows = [
        {"user_id": user, "movie_id": 1, "rating": 3.5, "rated_at": START + timedelta(microseconds=user)}
        for user in users
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def seen_by_dbt(space: Workspace) -> list[int]:
    """The users of the segments, by DuckDB as the dbt source reads them."""
    glob = str(space.events / RATINGS / "*.parquet")
    query = "select user_id from read_parquet(?, filename = true, file_row_number = true, union_by_name = true)"
    with duckdb.connect() as connection:
        return sorted(user for (user,) in connection.execute(query, [glob]).fetchall())


def test_events_come_back_as_they_were_sent(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    wide = pa.Table.from_pylist(
        [
            {
                "user_id": 2**53 + 1,
                "movie_id": 2**62,
                "rating": 0.5,
                "rated_at": datetime(2024, 2, 29, 23, 59, 59, 999999),
            }
        ],
        SCHEMA,
    )
    film = {"movie_id": 1, "title": 'A "quoted"\n日本 \\ film', "genre_names": ["Drama", None], "is_retired": None}
    append(space.events / RATINGS, wide)
    append(space.events / FILMS, pa.Table.from_pylist([film], SCHEMAS[FILMS]))
    seal_events(space)
    assert read_sealed(space.events / RATINGS, SCHEMA).select(SCHEMA.names) == wide
    [found] = read_sealed(space.events / FILMS, SCHEMAS[FILMS]).to_pylist()
    assert {name: found[name] for name in film} == film
    assert datetime.now().year - found["landed_at"].year in (0, 1, -1)


def test_a_push_of_many_rows_is_a_file_of_its_own(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    many = ratings(*range(appending.MANY_ROWS + 1))
    append(space.events / RATINGS, many)
    append(space.events / RATINGS, ratings(-1))
    assert [file.suffix for file in pending_files(space.events / RATINGS)] == [".parquet", ".jsonl"]
    seal_events(space)
    assert read_sealed(space.events / RATINGS, SCHEMA).select(SCHEMA.names) == pa.concat_tables([many, ratings(-1)])


def test_single_events_share_a_file_until_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "SEGMENT_BYTES", 2_000)
    space = Workspace(tmp_path)
    for user in range(100):
        append(space.events / RATINGS, ratings(user))
    files = pending_files(space.events / RATINGS)
    assert len(files) < 10
    assert all(file.stat().st_size < 2_200 for file in files)
    assert files[-1].name == appending.OPEN
    seal_events(space)
    assert seen_by_dbt(space) == list(range(100))


def test_what_a_killed_writer_left_half_is_no_event(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    append(space.events / RATINGS, ratings(1))
    file = space.events / RATINGS / "pending" / appending.OPEN
    for half in (b'{"user_id":7,"movie_id', b'{"user_id":8}\r', b"x" * 10_000):
        with file.open("ab") as stream:
            stream.write(half)
        assert read_all(space.events / RATINGS, SCHEMA)["user_id"].to_pylist()[-1] < 7
        append(space.events / RATINGS, ratings(len(half) % 5))
    seal_events(space)
    assert seen_by_dbt(space) == sorted([1, 22 % 5, 14 % 5, 10_000 % 5])


def test_a_full_disk_lands_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Workspace(tmp_path)
    append(space.events / RATINGS, ratings(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            append(space.events / RATINGS, ratings(2, 3))
    seal_events(space)
    assert seen_by_dbt(space) == [1]


def test_a_disk_that_takes_half_of_a_request_keeps_none_of_it(tmp_path: Path) -> None:
    """A limit on the size of files fails in the middle of a write, as a full disk does."""
    space = Workspace(tmp_path)
    append(space.events / RATINGS, ratings(1))
    file = space.events / RATINGS / "pending" / appending.OPEN
    size = file.stat().st_size

    def land() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * size, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="File too large"):
            append(space.events / RATINGS, ratings(*range(2, 12)))

    child = FORK.Process(target=land)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert file.stat().st_size == size
    append(space.events / RATINGS, ratings(12))
    seal_events(space)
    assert seen_by_dbt(space) == [1, 12]


def test_a_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    append(space.events / RATINGS, ratings(1))
    file = space.events / RATINGS / "pending" / appending.OPEN
    file.write_text(file.read_text() + "garbage\n")
    with pytest.raises(CineFeastError, match=r"\.jsonl is not as events are landed") as caught:
        seal_events(space)
    assert caught.value.next_command.startswith("mv ")
    (closed,) = pending_files(space.events / RATINGS)
    closed.rename(f"{closed}.bad")
    append(space.events / RATINGS, ratings(2))
    seal_events(space)
    assert seen_by_dbt(space) == [2]


def test_small_segments_become_one_and_each_event_stays_who_it_is(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    folder = space.events / RATINGS
    for user in range(sealing.MOST_SMALL):
        append(folder, ratings(user, 1000 + user))
        seal_events(space)
        if user == 3:
            before, rows = landed_counts(folder), read_sealed(folder, SCHEMA)
    assert [file.name == FIRST for file in segments(folder)] == [True, False]
    assert len(landed_counts(folder)) == sealing.MOST_SMALL
    assert before.items() <= landed_counts(folder).items()
    assert read_sealed(folder, SCHEMA).slice(0, rows.num_rows) == rows
    assert seen_by_dbt(space) == [*range(sealing.MOST_SMALL), *range(1000, 1000 + sealing.MOST_SMALL)]


def test_files_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    """One parquet file a push, named by its moment, without a word of where its rows were landed."""
    space = Workspace(tmp_path)
    folder = space.events / RATINGS
    folder.mkdir(parents=True)
    old = "20240301T120000.250000-0123abcd.parquet"
    pq.write_table(SCHEMA.empty_table(), folder / FIRST)
    pq.write_table(ratings(5, 6), folder / old)
    append(folder, ratings(7))
    seal_events(space)
    found = read_sealed(folder, SCHEMA)
    assert found["landed_file"].to_pylist()[:2] == [old, old]
    assert found["landed_row"].to_pylist() == [0, 1, 0]
    assert found["landed_at"].to_pylist()[:2] == [datetime(2024, 3, 1, 12, 0, 0, 250000)] * 2
    assert seen_by_dbt(space) == [5, 6, 7]


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed before its `step`-th change of a file; whether it was."""

    def run() -> None:
        left = [step]

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def do(*args: Any, **more: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return change(*args, **more)

            return do

        os.fsync = counted(os.fsync)
        for name in ("rename", "replace", "unlink"):
            setattr(Path, name, counted(getattr(Path, name)))
        sealing.pq.write_table = counted(pq.write_table)
        work()

    process = FORK.Process(target=run)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.parametrize("rows", [2, 12])
def test_killed_at_any_step_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Land, seal and merge, killed at each step in turn; in the end every acknowledged event is there once."""
    monkeypatch.setattr(appending, "MANY_ROWS", 10)  # two rows are lines, twelve are a file
    monkeypatch.setattr(appending, "SEGMENT_BYTES", 1)
    monkeypatch.setattr(sealing, "MOST_SMALL", 3)
    kills = 0
    for step in range(200):
        space = Workspace(tmp_path / str(step))
        acknowledged = space.root / "acknowledged"

        def work(space: Workspace = space, acknowledged: Path = acknowledged) -> None:
            for batch in range(3):
                append(space.events / RATINGS, ratings(*range(batch * rows, (batch + 1) * rows)))
                with acknowledged.open("a") as file:
                    file.write(f"{batch}\n")
                seal_events(space)

        space.root.mkdir()
        was_killed = killed_at(step, work)
        batches = len(acknowledged.read_text().splitlines()) if acknowledged.exists() else 0
        everything = read_all(space.events / RATINGS, SCHEMA)["user_id"].to_pylist()
        append(space.events / RATINGS, ratings(-1))
        seal_events(space)
        found = Counter(seen_by_dbt(space))
        assert set(found.values()) == {1}
        assert set(range(batches * rows)) <= set(found), step
        # of what was not acknowledged all is there, or nothing
        assert len(found) - 1 in (batches * rows, (batches + 1) * rows)
        assert sorted([*everything, -1]) == sorted(found)
        assert read_all(space.events / RATINGS, SCHEMA)["user_id"].to_pylist()[-1] == -1
        if not was_killed:
            break
        kills += 1
    assert kills > 15


def write_many(space: Workspace, writer: int, count: int) -> None:
    for number in range(count):
        append(space.events / RATINGS, ratings(writer * 1000 + number))


def test_writers_and_builds_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four writers, one of whom is killed on the way; what is sealed meanwhile does not change under a reader."""
    monkeypatch.setattr(appending, "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(sealing, "MOST_SMALL", 5)
    space = Workspace(tmp_path)
    count = 60
    writers = [FORK.Process(target=write_many, args=(space, writer, count)) for writer in range(4)]
    for process in writers:
        process.start()
    taken: dict[str, int] = {}
    killed = False
    while any(process.is_alive() for process in writers):
        seal_events(space)
        now = landed_counts(space.events / RATINGS)
        assert taken.items() <= now.items()  # a build may append: what was there is there, as it was
        assert set(Counter(seen_by_dbt(space)).values()) <= {1}
        taken = now
        if not killed and sum(taken.values()) > count:
            writers[3].kill()
            killed = True
    for process in writers:
        process.join()
    seal_events(space)
    found = seen_by_dbt(space)
    assert len(set(found)) == len(found)
    assert set(found) >= {writer * 1000 + number for writer in range(3) for number in range(count)}
    last = [user for user in found if user >= 3000]
    assert last == list(range(3000, 3000 + len(last)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["land", "seal", "old", "many"]), max_size=12))
def test_the_taken_in_files_only_grow(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Whatever comes in which order, under whatever name, an event keeps its file and its row."""
    space = Workspace(tmp_path_factory.mktemp("events"))
    folder = space.events / RATINGS
    seal_events(space)
    known: dict[tuple[str, int], int] = {}
    for number, step in enumerate(steps):
        if step == "seal":
            seal_events(space)
            rows = read_sealed(folder, SCHEMA)
            files, places = rows["landed_file"].to_pylist(), rows["landed_row"].to_pylist()
            now = dict(zip(zip(files, places, strict=True), rows["user_id"].to_pylist(), strict=True))
            assert known.items() <= now.items()
            known = now
        elif step == "old":
            pq.write_table(ratings(number), folder / f"20{99 - number}0101T000000.000000-0123abcd.parquet")
        else:
            append(folder, ratings(*([number] * (3 if step == "many" else 1))))
    assert len(read_all(folder, SCHEMA)) == sum({"land": 1, "old": 1, "many": 3}.get(step, 0) for step in steps)


def test_another_writer_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "PATIENCE", 0.01)
    space = Workspace(tmp_path)
    pending = space.events / RATINGS / "pending"
    with appending.exclusive(pending), pytest.raises(CineFeastError, match="another process has kept"):
        append(space.events / RATINGS, ratings(1))
    append(space.events / RATINGS, ratings(1))
    assert json.loads((pending / appending.OPEN).read_text())["user_id"] == 1


@pytest.mark.parametrize("fails", [False, True])
def test_who_waits_for_the_disk_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """One writer whose commit is slow, and may fail; another one comes and goes meanwhile, and what it landed stays."""
    space, fsync, here = Workspace(tmp_path), os.fsync, threading.current_thread()
    waits, may_go_on = threading.Event(), threading.Event()
    append(space.events / RATINGS, ratings(1))

    def slow(descriptor: int) -> None:
        if threading.current_thread() is not here:
            waits.set()
            assert may_go_on.wait(60)
            if fails:
                raise OSError(5, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(appending, "PATIENCE", 5.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(append, space.events / RATINGS, ratings(2))
        try:
            assert waits.wait(60)
            append(space.events / RATINGS, ratings(3))
        finally:
            may_go_on.set()
        assert isinstance(first.exception(), OSError) == fails
    append(space.events / RATINGS, ratings(4))
    seal_events(space)
    found = seen_by_dbt(space)
    assert {1, 3, 4} <= set(found) <= {1, 2, 3, 4}
    assert len(set(found)) == len(found)
    assert fails or 2 in found


def test_what_comes_while_a_build_seals_waits_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that writers append to is never sealed: here one does whenever the build lets go of the lock."""
    space, exclusive, comes = Workspace(tmp_path), sealing.exclusive, list(range(2, 12))

    @contextmanager
    def then_another_writer(pending: Path) -> Iterator[None]:
        with exclusive(pending):
            yield
        append(space.events / RATINGS, ratings(comes.pop(0)))

    append(space.events / RATINGS, ratings(1))
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "exclusive", then_another_writer)
        seal_events(space)
    landed = landed_counts(space.events / RATINGS)
    assert landed
    assert "open.parquet" not in landed
    seal_events(space)
    assert landed.items() <= landed_counts(space.events / RATINGS).items()
    assert seen_by_dbt(space) == [user for user in range(1, 12) if user not in comes]
