"""What is landed, held against the same archive read with Python's own zipfile and csv."""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest.datasets import DATASETS, TABLES
from dbt_project.ingest.fetch import fetch
from dbt_project.ingest.landing import raw_directory
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData, write_zip
from tests.ingest.conftest import Ran
from tests.real_data import real_file


def landed(space: Workspace, table: str) -> list[dict]:
    return pq.read_table(space.raw_movielens / f"{table}.parquet").to_pylist()


def csv_rows(archive: Path, name: str) -> list[list[str]]:
    """The rows after the header, as the csv module reads them."""
    with zipfile.ZipFile(archive) as opened:
        member = next(member for member in opened.namelist() if member.endswith(f"/{name}"))
        text = opened.read(member).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))[1:]


def dat_rows(archive: Path, name: str) -> list[list[str]]:
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(f"ml-1m/{name}").decode("latin-1")
    return [line.split("::") for line in text.split("\n")[:-1]]


def assert_same(rows: list[dict], expected: list[list[str]], columns: tuple[str, ...], first_line: int) -> None:
    good = [row for row in rows if row["malformed_line"] is None]
    assert [[row[column] or "" for column in columns] for row in good] == [
        fields for fields in expected if len(fields) == len(columns)
    ]
    assert [row["line_number"] for row in rows] == list(range(first_line, first_line + len(expected)))


def test_csv_archive(cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData) -> None:
    ran = cinefeast("fetch", "ml-latest-small", "--archive", data.archive)
    assert (ran.code, ran.err) == (0, "")
    assert "Harper and Konstan" in ran.out
    for table in ("ratings", "movies", "tags", "links"):
        columns = tuple(name for name in TABLES[table] if name != "release_year")
        assert_same(landed(space, table), csv_rows(data.archive, f"{table}.csv"), columns, first_line=2)
    ratings = landed(space, "ratings")
    malformed = [row for row in ratings if row["malformed_line"] is not None]
    assert len(ratings) == data.rating_lines
    assert len(malformed) == data.rejected["wrong number of fields"] == 1
    assert malformed[0]["user_id"] is None
    assert landed(space, "users") == []
    assert {row["title"] for row in landed(space, "movies")} == {film.title for film in data.films}


def test_dat_archive(space: Workspace, dat_archive: Path, tmp_path: Path, data: FixtureData) -> None:
    links = tmp_path / "links.csv"
    links.write_text("movieId,imdbId,tmdbId\n1,0000001,1000\n4,0000004,\n")
    fetch("ml-1m", space, dat_archive, links)
    for table in ("ratings", "users"):
        assert_same(landed(space, table), dat_rows(dat_archive, f"{table}.dat"), TABLES[table], first_line=1)
    assert [row["title"] for row in landed(space, "movies")] == [film.latin_title for film in data.films]
    assert [row["tmdb_id"] for row in landed(space, "links")] == ["1000", None]
    assert landed(space, "tags") == []


def test_an_old_data_set_that_was_saved_as_utf8_is_read_so(space: Workspace, dat_archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(dat_archive) as archive:
        members = {name: archive.read(name).decode("latin-1").encode() for name in archive.namelist()}
    members["ml-1m/movies.dat"] += "900::Café des Rêves (1999)::Drama\n".encode()
    fetch("ml-1m", space, write_zip(tmp_path / "utf8.zip", members))
    titles = [row["title"] for row in landed(space, "movies")]
    assert titles[-1] == "Café des Rêves (1999)"
    assert "Émilie à la plage (2003)" in titles


def test_what_cannot_be_used_is_counted(cinefeast: Callable[..., Ran], space: Workspace, tmp_path: Path) -> None:
    ratings = "userId,movieId,rating,timestamp\n1,1,4.0,900000000\nu2,1,4.0,900000000\n3,9,4.0,900000000\n"
    movies = "movieId,title,genres\n1,A (1990),drama|Space Opera\n2,B (1991),(no genres listed)\n"
    links = "movieId,imdbId,tmdbId\n1,1,9001.0\n"
    members = {"ratings.csv": ratings.encode(), "movies.csv": movies.encode(), "links.csv": links.encode()}
    ran = cinefeast("fetch", "ml-20m", "--archive", write_zip(tmp_path / "mine.zip", members))
    assert ran.code == 0
    assert (
        "2 of them cannot be used (dbt rejects them): "
        "movie id is not in the movies file (1), user id is not a whole number (1)"
    ) in ran.out
    assert "1 of them cannot be used (dbt rejects them): TMDb id is not a whole number (1)" in ran.out
    assert "genres that nobody knows, left out of films that have them: Space Opera (1)" in ran.out


def test_types_and_manifest(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    for table, columns in TABLES.items():
        described = duckdb.sql(f"describe from '{space.raw_movielens / table}.parquet'").fetchall()
        assert [row[:2] for row in described] == [
            ("line_number", "BIGINT"), *((name, "VARCHAR") for name in (*columns, "malformed_line")),
        ]  # fmt: skip
    manifest = json.loads((space.raw_movielens / "manifest.json").read_text())
    assert manifest["dataset"] == "ml-latest-small"
    assert manifest["sha256"] == hashlib.sha256(data.archive.read_bytes()).hexdigest()
    assert manifest["files"]["ratings"] == {
        "file": "ml-latest-small/ratings.csv", "rows": data.rating_lines, "malformed": 1,
    }  # fmt: skip
    assert {table: file["rows"] for table, file in manifest["files"].items()} == {
        "ratings": data.rating_lines, "movies": len(data.films), "tags": data.tags, "links": data.links,
        "users": 0,
    }  # fmt: skip


def test_links_replace_those_of_the_archive(space: Workspace, data: FixtureData, tmp_path: Path) -> None:
    links = tmp_path / "mine.csv"
    links.write_text("tmdbId,movieId,imdbId\n862,1,0114709\n")
    fetch("ml-latest-small", space, data.archive, links)
    assert [(row["movie_id"], row["tmdb_id"]) for row in landed(space, "links")] == [("1", "862")]


def test_a_cut_archive_without_its_folder_and_tags(space: Workspace, data: FixtureData, tmp_path: Path) -> None:
    with zipfile.ZipFile(data.archive) as whole:
        members = {name: whole.read(f"ml-latest-small/{name}") for name in ("ratings.csv", "movies.csv")}
    members["__MACOSX/ratings.csv"] = b"resource fork"
    fetch("ml-20m", space, write_zip(tmp_path / "cut.zip", members))
    assert len(landed(space, "ratings")) == data.rating_lines
    assert landed(space, "tags") == landed(space, "links") == []


def test_no_documents_yet_lands_an_empty_file(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    (only,) = space.raw_tmdb.iterdir()
    assert gzip.decompress(only.read_bytes()) == b""


def test_a_second_fetch_replaces_the_first(
    space: Workspace, data: FixtureData, dat_archive: Path, cinefeast: Callable[..., Ran]
) -> None:
    fetch("ml-latest-small", space, data.archive)
    fetch("ml-1m", space, dat_archive)
    assert json.loads((space.raw_movielens / "manifest.json").read_text())["dataset"] == "ml-1m"
    hidden = list(space.raw_movielens.parent.glob(".movielens*"))
    assert len(hidden) == 1
    assert "--links" in cinefeast("fetch", "ml-1m", "--archive", dat_archive).out


def test_two_fetches_at_once_do_not_mix(space: Workspace, data: FixtureData) -> None:
    with raw_directory(space), pytest.raises(CineFeastError, match="another fetch, collect or embed"):
        fetch("ml-latest-small", space, data.archive)


def test_every_data_set_names_its_files() -> None:
    for dataset in DATASETS.values():
        for table, file in dataset.layout.items():
            assert set(file.columns.values()) <= set(TABLES[table])


def test_real_ml_latest_small(space: Workspace) -> None:
    archive = real_file("ml-latest-small.zip")
    fetch("ml-latest-small", space, archive)
    for table in ("ratings", "movies", "tags", "links"):
        columns = tuple(name for name in TABLES[table] if name != "release_year")
        assert_same(landed(space, table), csv_rows(archive, f"{table}.csv"), columns, first_line=2)


def test_real_ml_1m(space: Workspace) -> None:
    archive, links = real_file("ml-1m/ml-1m-2999.zip"), real_file("ml-1m/links.csv")
    files = fetch("ml-1m", space, archive, links).files
    assert {table: (file["rows"], file["malformed"]) for table, file in files.items()} == {
        "ratings": (487_650, 0), "movies": (3_883, 0), "tags": (0, 0), "links": (3_883, 0),
        "users": (6_040, 0),
    }  # fmt: skip
    columns = ", ".join(TABLES["ratings"])
    rows = duckdb.sql(f"select {columns} from '{space.raw_movielens}/ratings.parquet' order by line_number")
    assert rows.fetchall() == [tuple(row) for row in dat_rows(archive, "ratings.dat")]
