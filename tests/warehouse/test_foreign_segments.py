"""Segments that other hands put there: each row is read by the contract, and no type of a column ends a build."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.event_contract import rating_problem
from dbt_project.events.append import append
from dbt_project.events.read import read_all, read_sealed
from dbt_project.events.schemas import FILMS, GIVEN, LANDED, RATINGS, SCHEMAS
from dbt_project.events.seal import seal_events
from dbt_project.workspace import Workspace

SCHEMA = SCHEMAS[RATINGS]
NOON = datetime(2024, 3, 1, 12)
OURS = {"user_id": 1, "movie_id": 2, "rating": 3.5, "rated_at": NOON}
NAME = "20240301T130000.250000-0123abcd.parquet"


def planted(tmp_path: Path, columns: dict[str, Any], kind: str = RATINGS, name: str = NAME) -> Workspace:
    """A workspace with an event of our own, and a foreign segment of these columns."""
    space = Workspace(tmp_path)
    append(space.events / RATINGS, pa.Table.from_pylist([OURS], SCHEMA))
    (space.events / kind).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), space.events / kind / name)
    return space


def sealed(space: Workspace, kind: str = RATINGS) -> list[dict[str, Any]]:
    """The rows of the foreign segment, the same before and after a build seals, which leaves our own as they are."""
    folder, schema = space.events / kind, SCHEMAS[kind]
    before = [row for row in read_all(folder, schema).to_pylist() if row["landed_file"] == NAME]
    seal_events(space)
    rows = read_sealed(folder, schema).to_pylist()
    assert [row for row in rows if row["landed_file"] == NAME] == before
    if kind == RATINGS:
        (ours,) = [row for row in rows if row["landed_file"] != NAME]
        assert {name: ours[name] for name in OURS} == OURS
        assert ours[GIVEN] is None
    with duckdb.connect() as connection:  # what dbt reads has one type a column, that of our own
        glob = str(folder / "*.parquet")
        query = "from read_parquet(?, filename = true, file_row_number = true, union_by_name = true) limit 0"
        types = connection.execute(query, [glob]).to_arrow_table().schema
        assert [types.field(field.name).type for field in [*schema, *LANDED]] == [*schema.types, *LANDED.types]
    return before


TEXTS = {"user_id": ["7", "7.0", "x"], "movie_id": ["2", "2", "2"], "rating": ["4.5", "4", "good"]}
MOMENTS = ["2024-03-01T12:00:00", "2024-03-01T14:00:00+02:00", "yesterday"]


def test_texts_are_read_and_what_is_none_is_kept_as_it_was(tmp_path: Path) -> None:
    """In another order, and with a column more."""
    space = planted(tmp_path, {"comment": ["a", "b", "c"], "rated_at": MOMENTS, **TEXTS})
    first, second, third = sealed(space)
    assert {name: first[name] for name in (*OURS, GIVEN)} == OURS | {"user_id": 7, "rating": 4.5, GIVEN: None}
    assert second["rated_at"] == NOON
    assert (second["user_id"], second[GIVEN]) == (None, "7.0 | 2 | 4 | 2024-03-01T14:00:00+02:00")
    assert (third["user_id"], third["rating"], third["rated_at"]) == (None, None, None)
    assert third[GIVEN] == "x | 2 | good | yesterday"
    assert [row["landed_row"] for row in (first, second, third)] == [0, 1, 2]
    assert {row["landed_at"] for row in (first, second, third)} == {datetime(2024, 3, 1, 13, 0, 0, 250000)}


GOOD: dict[str, Any] = {"user_id": [7], "movie_id": [2], "rating": [4.5], "rated_at": [NOON]}


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("user_id", pa.array([7], pa.int32()), None),
        ("user_id", pa.array([7], pa.uint64()), None),
        ("user_id", pa.array(["7"]).dictionary_encode(), None),
        ("user_id", pa.array([2**63], pa.uint64()), "user id is not a whole number"),
        ("user_id", pa.array([7.0]), "user id is not a whole number"),
        ("user_id", pa.array([True]), "user id is not a whole number"),
        ("user_id", pa.array([{"id": 7}]), "user id is not a whole number"),
        ("user_id", pa.array([[7]]), "user id is not a whole number"),
        ("user_id", pa.array([NOON]), "user id is not a whole number"),
        ("user_id", pa.array([None]), "user id is not a whole number"),
        ("user_id", None, "user id is not a whole number"),
        ("rating", pa.array([Decimal("4.5")]), None),
        ("rating", pa.array([4], pa.int8()), None),
        ("rating", pa.array(["4.25"]), "rating is not in steps of half a star"),
        ("rating", pa.array([True]), "rating is not a number"),
        ("rating", None, "rating is not a number"),
        ("rated_at", pa.array([NOON], pa.timestamp("ns")), None),
        ("rated_at", pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("ms", "Asia/Tokyo")), None),
        ("rated_at", pa.array([date(2024, 3, 1)]), None),
        ("rated_at", pa.array([1_709_294_400]), "timestamp is not in seconds since 1970"),
        ("rated_at", pa.array([1.5]), "timestamp is not in seconds since 1970"),
        ("rated_at", pa.array([["2024"]]), "timestamp is not in seconds since 1970"),
        ("rated_at", None, "timestamp is not in seconds since 1970"),
    ],
)
def test_a_column_of_any_type_is_taken_or_has_a_reason(
    tmp_path: Path, column: str, values: Any, problem: str | None
) -> None:
    columns = {name: value for name, value in {**GOOD, column: values}.items() if value is not None}
    (row,) = sealed(planted(tmp_path, columns))
    found = rating_problem(pa.Table.from_pylist([{name: row[name] for name in SCHEMA.names}], SCHEMA))
    assert (found and found[1]) == problem
    if problem is None and not pa.types.is_date(values.type):
        assert row["rated_at"] == NOON


@pytest.mark.parametrize(
    ("genres", "found", "is_lost"),
    [(["Drama"], ["Drama"], False), (pa.array(["Drama"]), None, True), (pa.array([[1, 2]]), ["1", "2"], False)],
    ids=["a list", "a text", "numbers"],
)
def test_what_cannot_be_read_of_a_film_is_not_taken_for_unsaid(
    tmp_path: Path, genres: Any, found: list[str] | None, is_lost: bool
) -> None:
    genres = pa.array([genres]) if isinstance(genres, list) else genres
    columns = {"movie_id": ["9"], "title": ["A film"], "release_year": ["1999"], "genre_names": genres}
    (row,) = sealed(planted(tmp_path, columns, FILMS), FILMS)
    assert (row["movie_id"], row["title"], row["release_year"]) == (9, "A film", 1999)
    assert row["genre_names"] == found
    assert (row[GIVEN] is not None) == is_lost


def test_a_row_stays_where_it_was_landed(tmp_path: Path) -> None:
    """A segment of ours that another tool has written anew, with other types."""
    landed = {
        "landed_file": ["a.parquet"],
        "landed_row": pa.array([5], pa.int32()),
        "landed_at": ["2024-03-01 12:00:01"],
    }
    space = planted(tmp_path, GOOD | landed)
    seal_events(space)
    row = read_sealed(space.events / RATINGS, SCHEMA).to_pylist()[-1]
    assert (row["landed_file"], row["landed_row"], row["user_id"]) == ("a.parquet", 5, 7)
    assert row["landed_at"] == NOON.replace(second=1)


def test_a_server_takes_no_change_of_a_film_that_a_build_rejects(tmp_path: Path) -> None:
    from serving.events.film_updates import FilmUpdates

    columns = {"movie_id": ["9", "x", "10"], "title": ["Nine", "None", "Ten"], "release_year": ["1999", "1999", "soon"]}
    space = planted(tmp_path, columns, FILMS)
    for _ in range(2):
        found = FilmUpdates(space).latest()
        assert {movie_id: (update.title, update.release_year) for movie_id, update in found.items()} == {
            9: ("Nine", 1999)
        }
        seal_events(space)
