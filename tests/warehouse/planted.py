"""The made-up data with rows that are wrong, or look wrong and are right, planted among them."""

import csv
import io
import json
import math
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.events.schemas import FEEDBACK, FILMS, RATINGS, SCHEMAS
from dbt_project.ingest.collect import collect
from dbt_project.ingest.fetch import Landed, fetch
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData, write_fixture, write_zip

BIG = 2**60
"""Floats hold every 256th whole number from here on."""
AT = 1_500_000_000
SURPLUS = 777_777
ODD_IDS = ("7.5", "3e2", "30e1", "0x12c", "1_000", " 8", "9001.0", "007", "+9")
SHARED, WITHOUT_DOCUMENT, UNREAD_LINK = 500_001, 500_002, 500_003
LOST_CHILDREN, LOWER_CASE, SPACED, UNKNOWN = 500_004, 500_005, 500_006, 500_007
ADDED = 90_002
NOON = datetime(2017, 7, 14, 12)

MOVIES = [
    (SHARED, "Told Twice (1990)", "Drama"),
    (WITHOUT_DOCUMENT, "No Document (1991)", "Drama"),
    (UNREAD_LINK, "A Link of Floats (1992)", "Drama"),
    (LOST_CHILDREN, "City of Lost Children, The (Cité des enfants perdus, La) (1995)", "Sci-Fi"),
    (LOWER_CASE, "Lower Case (1993)", "adventure|CHILDREN"),
    (SPACED, "Spaced (1994)", "Drama | science fiction"),
    (UNKNOWN, "Not Known (1996)", "Drama|Space Opera"),
    *((BIG + number, f"Big {number} (1997)", "Comedy") for number in range(1, 5)),
    ("35.5", "No Film (1998)", "Drama"),
    (-7, "Below Zero (1998)", "Drama"),
]
LINKS = [
    (SHARED, "0500001", 880_001),
    (WITHOUT_DOCUMENT, "0500002", 880_002),
    (UNREAD_LINK, "0500003", "9001.0"),
    (SURPLUS, "0777777", 880_777),
]
GOOD = [
    *((BIG + 10 + number, BIG + 1 + number % 4, "4.0", AT + number) for number in range(8)),
    (300, SHARED, "4.0", f"{AT}.9"),
]
BAD = [
    *((text, SHARED, "4.0", AT) for text in ODD_IDS),
    (-4, SHARED, "4.0", AT),
    (301, "35.5", "4.0", AT),
    (302, SHARED, "nan", AT),
    (303, SHARED, "1e10", AT),
    (304, SHARED, "4.0", AT * 1000),
    (305, SHARED, "4.0", -152_668_800),
    (306, SHARED, "4.0", 4_000_000_000),
]
PUSHED_GOOD = {"user_id": 400, "movie_id": SHARED, "rating": 3.5, "rated_at": NOON}
PUSHED_BAD: list[dict[str, Any]] = [
    PUSHED_GOOD | change
    for change in (
        {"rating": 1e10}, {"rating": math.nan}, {"rating": None}, {"rating": 4.2}, {"rating": 0.0},
        {"rated_at": datetime(1900, 1, 1)}, {"rated_at": datetime(2200, 1, 1)}, {"rated_at": datetime(9999, 1, 1)},
        {"rated_at": None}, {"user_id": -4}, {"user_id": None}, {"movie_id": 424_242}, {},
    )
]  # fmt: skip
FOREIGN: dict[str, Any] = {
    "comment": ["texts for numbers"] * 4, "user_id": ["401", "402.0", "403", "404"], "movie_id": [str(SHARED)] * 4,
    "rating": ["4.5", "4", "good", "3"], "rated_at": [*["2017-07-14T14:00:00+02:00"] * 3, "yesterday"],
}  # fmt: skip
"""A segment that other hands put there: the first row is right."""
FOREIGN_LACKING = {"user_id": [405.5], "movie_id": [float(SHARED)], "rating": [4]}
"""One without moments."""
DONE = {"event_id": "a", "user_id": 400, "movie_id": SHARED, "kind": "hide", "occurred_at": NOON}
DONE_BAD: list[dict[str, Any]] = [
    DONE | {"event_id": name} | change
    for name, change in {
        "b": {"kind": "like"}, "c": {"kind": None}, "d": {"user_id": None}, "e": {"user_id": -1},
        "f": {"occurred_at": datetime(2200, 1, 1)}, "g": {"movie_id": 424_242}, "a": {}, "": {},
    }.items()
]  # fmt: skip
CHANGES: list[dict[str, Any]] = [
    {"movie_id": LOWER_CASE, "title": "Corrected"},
    {"movie_id": ADDED, "title": "Lighthouse", "genre_names": ["Science Fiction", "Family"], "release_year": 2026},
    {"movie_id": ADDED, "title": "Lighthouse Ten", "director_name": "A. Field", "original_language": "fr"},
    {"movie_id": SHARED, "title": "Told Twice", "genre_names": ["Western"]},
    {"movie_id": WITHOUT_DOCUMENT, "is_retired": True},
    {"movie_id": SPACED, "title": "  "},
    {"movie_id": SPACED, "title": "Spaced", "release_year": 99_999},
    {"movie_id": 90_003, "release_year": 2020},
    {"movie_id": -8, "title": "Below Zero"},
]


def plant(space: Workspace, folder: Path) -> tuple[FixtureData, Landed]:
    """Land it all in the workspace."""
    data = write_fixture(folder)
    more = {"ratings.csv": [*GOOD, *BAD], "movies.csv": MOVIES, "links.csv": LINKS}
    with zipfile.ZipFile(data.archive) as archive:
        members = {
            name: archive.read(name) + csv_lines(more.get(name.split("/")[-1], [])) for name in archive.namelist()
        }
    landed = fetch("ml-latest-small", space, write_zip(folder / "planted.zip", members))
    collect(data.tmdb, space)
    for name, runtime in (("z-old", 10), ("a-new", 99)):  # landed in this order
        document = {"id": 880_001, "title": "Told Twice", "runtime": runtime, "genres": [{"id": 1, "name": "Comedy"}]}
        (folder / f"{name}.jsonl").write_text(json.dumps(document) + "\n")
        collect(folder / f"{name}.jsonl", space)
    push(space, RATINGS, [PUSHED_GOOD, *PUSHED_BAD])
    for second, columns in ((1, FOREIGN), (2, FOREIGN_LACKING)):
        pq.write_table(pa.table(columns), landed_file(space, RATINGS, second))
    push(space, FEEDBACK, [DONE, *DONE_BAD])
    push(space, FILMS, CHANGES)
    return data, landed


def csv_lines(rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def push(space: Workspace, folder: str, rows: list[dict[str, Any]], second: int = 0) -> None:
    """One landed file, past every door."""
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[folder]), landed_file(space, folder, second))


def landed_file(space: Workspace, folder: str, second: int) -> Path:
    """Where one is to lie."""
    file = space.events / folder / f"20240101T0000{second:02d}.000000-00000000.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
