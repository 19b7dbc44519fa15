"""What was landed of users who were erased: out of every segment, and never in again."""

import multiprocessing
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.build_inputs import BuildInputs
from dbt_project.errors import CineFeastError
from dbt_project.events.append import append
from dbt_project.events.erase import mark_erased
from dbt_project.events.read import merged_from, read_all, read_sealed, segments
from dbt_project.events.schemas import FEEDBACK, RATINGS, SCHEMAS
from dbt_project.events.seal import MOST_SMALL, seal_events
from dbt_project.events.tombstones import ErasedUserError, erased_users
from dbt_project.workspace import Workspace
from tests.commands import UNTESTED, dbt_build
from tests.conftest import Demo

SCHEMA = SCHEMAS[RATINGS]
FORK = multiprocessing.get_context("fork")
AT = datetime(2024, 1, 1)
GONE = 2


def ratings(*users: int) -> pa.Table:
    rows = [
        {"user_id": user, "movie_id": 1, "rating": 3.5, "rated_at": AT + timedelta(seconds=place)}
        for place, user in enumerate(users)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def feedback(*users: int) -> pa.Table:
    rows = [
        {"event_id": f"of-{user}", "user_id": user, "movie_id": 1, "kind": "hide", "occurred_at": AT} for user in users
    ]
    return pa.Table.from_pylist(rows, SCHEMAS[FEEDBACK])


def test_segments_lose_their_rows_and_keep_the_others_in_place(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    folder = space.events / RATINGS
    append(folder, ratings(1, GONE, 3))
    append(space.events / FEEDBACK, feedback(GONE, 4))
    seal_events(space)
    append(folder, ratings(GONE, 4))
    append(folder, ratings(*[GONE] * 3))
    seal_events(space)
    append(folder, ratings(5, GONE, 6))  # waits, when the user is erased
    before = read_sealed(folder, SCHEMA).to_pylist()
    mark_erased(space, GONE)
    mark_erased(space, GONE)
    seal_events(space)
    after = read_sealed(folder, SCHEMA).to_pylist()
    assert after[:3] == [row for row in before if row["user_id"] != GONE]
    assert [(row["user_id"], row["landed_row"]) for row in after[3:]] == [(5, 0), (6, 2)]
    assert [row["event_id"] for row in read_sealed(space.events / FEEDBACK, SCHEMAS[FEEDBACK]).to_pylist()] == ["of-4"]
    assert len(erased_users(space.events)) == 1
    kept = {file: file.stat().st_mtime_ns for file in segments(folder)}
    seal_events(space)
    assert {file: file.stat().st_mtime_ns for file in segments(folder)} == kept, "nothing is written again"


def test_a_merged_segment_still_says_what_it_was_merged_from(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    folder = space.events / RATINGS
    for user in range(MOST_SMALL):
        append(folder, ratings(user))
        seal_events(space)
    [merged] = [file for file in segments(folder) if merged_from(file)]
    parts = merged_from(merged)
    mark_erased(space, GONE)
    seal_events(space)
    assert merged_from(merged) == parts
    assert read_sealed(folder, SCHEMA)["user_id"].to_pylist() == [n for n in range(MOST_SMALL) if n != GONE]


def test_rows_of_files_of_others_go_too(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    folder = space.events / RATINGS
    folder.mkdir(parents=True)
    text = ratings(1, GONE, 22).set_column(0, "user_id", pa.array(["1", "2", "22"]))
    pq.write_table(text, folder / "20240101T000000.000000-0123abcd.parquet")
    mark_erased(space, GONE)
    seal_events(space)
    assert read_sealed(folder, SCHEMA)["user_id"].to_pylist() == [1, 22]


def test_what_is_sent_again_is_refused_whole(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    append(space.events / RATINGS, ratings(1, GONE))
    mark_erased(space, GONE)
    for kind, events in ((RATINGS, ratings(3, GONE)), (FEEDBACK, feedback(3, GONE))):
        before = len(read_all(space.events / kind, SCHEMAS[kind]))
        with pytest.raises(ErasedUserError, match=f"user {GONE} was erased; nothing was taken; next: "):
            append(space.events / kind, events)
        assert len(read_all(space.events / kind, SCHEMAS[kind])) == before
    append(space.events / RATINGS, ratings(3))


def write_on(space: Workspace) -> None:
    """Send ratings of two users until one of them is refused."""
    while True:
        append(space.events / RATINGS, ratings(1))
        append(space.events / RATINGS, ratings(GONE))


def test_nothing_comes_in_behind_an_erasure(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    writers = [FORK.Process(target=write_on, args=(space,)) for _ in range(3)]
    for process in writers:
        process.start()
    while not any(row["user_id"] == GONE for row in read_all(space.events / RATINGS, SCHEMA).to_pylist()):
        pass
    mark_erased(space, GONE)
    seal_events(space)
    for process in writers:
        process.join()
    assert {process.exitcode for process in writers} == {1}, "all were refused"
    assert set(read_all(space.events / RATINGS, SCHEMA)["user_id"].to_pylist()) == {1}


def test_a_tombstone_that_was_cut_short_is_none_and_harms_none(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    file = space.events / "erased_user" / "users.jsonl"
    mark_erased(space, 1)
    with file.open("a") as stream:
        stream.write('{"user_id":7')
    assert list(erased_users(space.events)) == [1]
    mark_erased(space, 8)
    assert list(erased_users(space.events)) == [1, 8]
    file.write_text("not a list\n")
    with pytest.raises(CineFeastError, match="is no list of erased users"):
        append(space.events / RATINGS, ratings(3))


def test_an_erasure_alone_is_reason_for_a_full_build(tmp_path: Path) -> None:
    """Also of somebody of whom no event was landed: their ratings of the archive are in what films add up to."""
    space = Workspace(tmp_path)
    space.raw_movielens.mkdir(parents=True)
    (space.raw_movielens / "manifest.json").write_text("{}")
    append(space.events / RATINGS, ratings(1))
    seal_events(space)
    before = BuildInputs.of(space)
    append(space.events / RATINGS, ratings(3))
    seal_events(space)
    assert BuildInputs.of(space).only_append_to(before)
    mark_erased(space, GONE)
    assert BuildInputs.of(space).only_append_to(before), "a build that runs sees what it began with"
    seal_events(space)
    assert not BuildInputs.of(space).only_append_to(before)


def test_a_build_alone_finishes_what_was_begun(demo: Demo, untrained: Path) -> None:
    """Killed when no more than the tombstone was on disk; what others put among the segments is left out as well."""
    space = Workspace(untrained)
    films = [film.movie_id for film in demo.data.films[:2]]
    rows = [{"user_id": user, "movie_id": film, "rating": 4.0, "rated_at": AT} for user in (GONE, 3) for film in films]
    append(space.events / RATINGS, pa.Table.from_pylist(rows, SCHEMA))
    mark_erased(space, GONE)
    pq.write_table(
        pa.Table.from_pylist(rows[1:2], SCHEMA), space.events / RATINGS / "20240101T000000.000000-0a.parquet"
    )
    dbt_build(untrained, *UNTESTED)
    with duckdb.connect(str(space.warehouse), read_only=True) as connection:
        users = connection.sql("select user_id, count(*) from core.fct_ratings group by all").fetchall()
        landed = connection.sql("select user_id from intermediate.int_event_ratings").fetchall()
        [(read, accounted)] = connection.sql(
            "select count_read, count_accepted + count_rejected + count_erased "
            "from reporting.rpt_row_accounting where source = 'ratings'"
        ).fetchall()
    assert GONE not in dict(users)
    assert dict(users)[3] == sum(user == 3 for user, *_ in demo.data.ratings) + len(films)
    assert landed == [(3,)] * len(films)
    assert read == accounted
    assert set(read_all(space.events / RATINGS, SCHEMA)["user_id"].to_pylist()) == {3}
