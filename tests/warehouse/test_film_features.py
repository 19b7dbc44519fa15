"""What is known of a film before anyone has rated it: the marts of people and texts against what was landed."""

import gzip
import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tests.commands import run
from tests.conftest import Built

BUILD_TEXTS = ("dbt", "build", "--select", "+feat_movie_text", "--indirect-selection", "cautious")


def by_film(warehouse: Path, mart: str) -> dict[int, dict]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.sql(f"select * from features.{mart}").to_arrow_table().to_pylist()
    return {row["movie_id"]: row for row in rows}


def test_the_texts_are_the_landed_vectors(built_workspace: Built) -> None:
    landed = pq.read_table(built_workspace.root / "raw" / "embeddings" / "movie_text.parquet").to_pylist()
    found = by_film(built_workspace.warehouse, "feat_movie_text")
    assert len(landed) == len(built_workspace.data.films)
    assert {film: row["movie_text_embedding"] for film, row in found.items()} == {
        row["movie_id"]: row["embedding"] for row in landed
    }
    profiles = by_film(built_workspace.warehouse, "feat_movie_profile")
    assert all(row["event_timestamp"] == profiles[film]["event_timestamp"] for film, row in found.items())


def test_the_people_are_the_documents(built_workspace: Built) -> None:
    documents = {}
    with gzip.open(built_workspace.data.tmdb, "rt") as lines:
        for line in lines:
            if line.endswith("}\n"):
                document = json.loads(line)
                documents[document["id"]] = document
    expected = {}
    for film in built_workspace.data.films:
        document = documents.get(film.tmdb_id, {"credits": {"cast": [], "crew": []}, "keywords": {"keywords": []}})
        expected[film.movie_id] = (
            [member["id"] for member in document["credits"]["crew"] if member["job"] == "Director"] or None,
            [actor["id"] for actor in document["credits"]["cast"]][:5] or None,  # made in the order of the credits
            sorted(word["id"] for word in document["keywords"]["keywords"]) or None,
        )
    found = by_film(built_workspace.warehouse, "feat_movie_people")
    names = ("movie_director_ids", "movie_cast_ids", "movie_keyword_ids")
    assert {film: tuple(row[name] for name in names) for film, row in found.items()} == expected
    assert all(any(values[at] is None for values in expected.values()) for at in range(3))  # what is missing is null


def test_without_vectors_the_mart_is_empty(built_workspace: Built, tmp_path: Path) -> None:
    shutil.copytree(built_workspace.root / "raw", tmp_path / "raw", symlinks=True)
    shutil.rmtree(tmp_path / "raw" / "embeddings")
    run(tmp_path, *BUILD_TEXTS, folder="dbt_project")
    assert by_film(tmp_path / "warehouse" / "build" / "cinefeast.duckdb", "feat_movie_text") == {}


def test_a_vector_that_is_none_stops_the_build(built_workspace: Built, tmp_path: Path) -> None:
    """Not of length 1: the test fails before anything is published."""
    shutil.copytree(built_workspace.root / "raw", tmp_path / "raw", symlinks=True)
    file = tmp_path / "raw" / "embeddings" / "movie_text.parquet"
    table = pq.read_table(file)
    vectors = table["embedding"].to_pylist()
    vectors[0] = [float("nan"), *vectors[0][1:]]
    pq.write_table(table.set_column(4, table.schema.field(4), pa.array(vectors, table.schema.field(4).type)), file)
    built = run(tmp_path, *BUILD_TEXTS, folder="dbt_project", check=False)
    assert built.returncode != 0
    assert "assert_text_embeddings_are_unit_vectors" in built.stdout
