"""Vectors of films' texts: what is read, what it means, what is landed."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dbt_project.build_inputs import BuildInputs
from dbt_project.ingest.embed import embed
from dbt_project.ingest.fetch import fetch
from dbt_project.ingest.film_texts import film_texts
from dbt_project.ingest.text_vectors import first_text_vectors, vectors_file
from dbt_project.ingest.tfidf import terms, text_vectors
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData, csv_bytes, write_zip
from tests.ingest.conftest import Ran
from tests.ingest.test_bad_input import assert_one_line

SPACE = ["A spaceship lands on a far planet", "The crew of a spaceship leaves the planet", "Planet without a crew"]
COURT = ["A lawyer defends a murderer in court", "In court the lawyer meets the judge", "The judge and the murderer"]
LOVE = ["A wedding in spring", "They dance at the wedding in spring", "Two sisters dance all spring"]


def land(space: Workspace, films: list[tuple[int, str, str]], documents: dict[int, Any], folder: Path) -> None:
    """Films, each linked to the document of the same number, and the documents, landed as one file."""
    folder.mkdir(exist_ok=True)
    members = {
        "ratings.csv": csv_bytes("userId,movieId,rating,timestamp", [(1, films[0][0], 4.0, 1_000_000_000)]),
        "movies.csv": csv_bytes("movieId,title,genres", films),
        "links.csv": csv_bytes("movieId,imdbId,tmdbId", [(movie_id, "1", movie_id) for movie_id, *_ in films]),
    }
    archive = write_zip(folder / "a.zip", {f"ml-latest-small/{name}": data for name, data in members.items()})
    fetch("ml-latest-small", space, archive)
    lines = [json.dumps({"id": tmdb_id, **document}) for tmdb_id, document in documents.items()]
    (space.raw_tmdb / "made.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def nearest(vectors: np.ndarray, row: int) -> int:
    near = vectors @ vectors[row]
    near[row] = -2
    return int(near.argmax())


def test_a_text_is_title_plot_genres_keywords_and_people(space: Workspace, tmp_path: Path) -> None:
    cast = [{"id": n, "name": f"Actor {n}", "order": 9 - n} for n in range(8)] + [{"id": 7, "name": "Actor 7 again"}]
    document = {
        "tagline": "One line.",
        "overview": "Two\nlines.",
        "genres": [{"name": "Drama"}, {"name": "Musik"}],
        "keywords": {"keywords": [{"id": 1, "name": "time travel"}, {"id": 2, "name": None}, "odd"]},
        "credits": {
            "cast": cast,
            "crew": [
                {"name": "薫 山田", "job": "Director"},
                {"name": "No", "job": "Writer"},
                {"name": "Zoë", "job": "Director"},
            ],
        },
    }
    films = [(1, "Matrix, The (1999)", "Drama|War"), (2, "Plain (2001)", "(no genres listed)"), (3, "Odd", "War")]
    odd = {"credits": [], "genres": {"name": "x"}, "keywords": None, "overview": 7, "tagline": None}
    land(space, films, {1: {"overview": "an earlier one"}, 3: odd}, tmp_path)
    half = r'{"id": 1, "overview": "\ud83d half of an emoji"}'
    later = gzip.compress(f'{{"id": "1"\n[]\n{json.dumps({"id": "1", **document})}\n{half}\n'.encode())
    (space.raw_tmdb / "now.jsonl.gz").write_bytes(later)
    assert film_texts(space) == {
        1: "The Matrix\nOne line.\nTwo lines.\nDrama, War, Musik\ntime travel\n薫 山田, Zoë\n"
        "Actor 7, Actor 6, Actor 5, Actor 4, Actor 3",
        2: "Plain",
        3: "Odd\nWar",
    }


def test_terms_are_words_and_short_phrases_in_any_script() -> None:
    assert list(terms("Tom Hanks, Jean-Luc Noël")) == [
        "tom", "hanks", "tom hanks", "jean", "luc", "noël", "jean luc noël",
    ]  # fmt: skip
    assert list(terms("रात का शहर")) == ["रात", "का", "शहर", "रात का शहर"]
    assert list(terms("ПОЕЗД ﬁn")) == ["поезд", "fin", "поезд fin"]
    assert list(terms("七つの夜")) == ["七つの夜", "七つ", "つの", "の夜"]
    assert list(terms("four words are many")) == ["four", "words", "are", "many"]
    assert list(terms("!?… \n")) == []


def test_films_of_one_subject_are_nearest() -> None:
    texts = [text for trio in zip(SPACE, COURT, LOVE, strict=True) for text in trio]
    vectors = text_vectors(texts, 3)
    assert [nearest(vectors, row) % 3 for row in range(9)] == [row % 3 for row in range(9)]


@pytest.mark.parametrize(
    "script", ["夜の街で二人が出会う物語", "रात के शहर में दो लोग मिलते हैं", "двое встречаются ночью в городе"]
)
def test_the_same_plot_is_nearest_in_any_script(script: str) -> None:
    texts = [*SPACE, f"One\n{script}", *COURT, f"Other\n{script}", *LOVE]
    vectors = text_vectors(texts, 4)
    assert nearest(vectors, 3) == 7
    assert nearest(vectors, 7) == 3


def test_with_room_for_all_of_it_cosines_are_those_of_tf_idf() -> None:
    """Against TF-IDF by hand: (1 + ln tf) * (ln((1 + n) / (1 + df)) + 1), of terms that two texts share."""
    texts = [*SPACE, *COURT, *LOVE]
    counts = [Counter(terms(text)) for text in texts]
    spread = Counter(term for found in counts for term in found)
    kept = sorted(term for term, df in spread.items() if df > 1)
    weights = np.array(
        [[(1 + math.log(c[t])) * (math.log(10 / (1 + spread[t])) + 1) if c[t] else 0.0 for t in kept] for c in counts]
    )
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    vectors = text_vectors(texts, 20)
    assert vectors.shape == (9, 20)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors @ vectors.T, weights @ weights.T, atol=1e-5)


def test_the_same_texts_give_the_same_bytes(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    first = embed(space, 16).file.read_bytes()
    vectors_file(space).unlink()
    assert embed(space, 16).file.read_bytes() == first


def test_every_film_is_landed_with_its_texts_hash(
    cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData
) -> None:
    cinefeast("fetch", "ml-latest-small", "--archive", data.archive)
    cinefeast("collect", "--from", data.tmdb)
    ran = cinefeast("embed", "--dimensions", 24)
    assert (ran.code, ran.err) == (0, "")
    assert f"landed {len(data.films)} vectors of 24 by tfidf-svd" in ran.out
    rows = pq.read_table(vectors_file(space)).to_pylist()
    assert [row["movie_id"] for row in rows] == [film.movie_id for film in data.films]
    assert {(row["model"], row["dimensions"], len(row["embedding"])) for row in rows} == {("tfidf-svd", 24, 24)}
    assert np.allclose(np.linalg.norm([row["embedding"] for row in rows], axis=1), 1, atol=1e-6)
    assert len({row["text_hash"] for row in rows}) == len(rows)  # no two films have the same title


def test_without_documents_titles_and_genres_do(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    embedded = embed(space, 64)
    without = [film for film in data.films if not film.genres]
    assert len(data.films) - len(without) <= embedded.vectors <= embedded.films == len(data.films)


def test_a_film_that_shares_no_word_has_no_vector(space: Workspace, tmp_path: Path) -> None:
    land(space, [(1, "One", "War"), (2, "Two", "War"), (3, "Three", "")], {}, tmp_path)
    assert embed(space, 4).vectors == 2
    land(space, [(1, "One", "War"), (2, "!!!", "")], {}, tmp_path)
    assert embed(space, 4).vectors == 0
    assert pq.read_table(vectors_file(space)).num_rows == 0


def test_a_workspace_without_films_is_one_line(cinefeast: Callable[..., Ran], space: Workspace) -> None:
    assert_one_line(cinefeast("embed"), space.raw_movielens, "no landed films", "next: cinefeast fetch ml-100k")
    assert not space.embeddings.exists()


def test_a_damaged_document_file_is_one_line(
    cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData
) -> None:
    fetch("ml-latest-small", space, data.archive)
    file = space.raw_tmdb / "made.jsonl.gz"
    file.write_bytes(data.tmdb.read_bytes()[:-9])
    assert_one_line(cinefeast("embed"), f"{file} is a damaged gzip file", f"next: mv {file} {file}.bad")


def test_vectors_are_dropped_with_the_films_they_are_of(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    embed(space, 8)
    with pytest.raises(Exception, match="nowhere"):
        fetch("ml-latest-small", space, Path("nowhere.zip"))
    assert vectors_file(space).exists()
    fetch("ml-latest-small", space, data.archive)
    assert not vectors_file(space).exists()


def test_a_build_may_append_until_there_are_other_vectors(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    first_text_vectors(space)
    nothing = BuildInputs.of(space)
    embed(space, 8)
    embedded = BuildInputs.of(space)
    assert not embedded.only_append_to(nothing)
    embed(space, 8)
    assert BuildInputs.of(space).only_append_to(embedded)
    embed(space, 9)
    assert not BuildInputs.of(space).only_append_to(embedded)


def embedded(space: Workspace, dimensions: int) -> np.ndarray:
    """The vectors that `embed` lands, by film."""
    embed(space, dimensions)
    return np.array(pq.read_table(vectors_file(space)).sort_by("movie_id")["embedding"].to_pylist())


def test_a_film_more_leaves_the_others_where_they_were(space: Workspace, tmp_path: Path) -> None:
    """What SVD calls its axes turns with every text; a trained model reads the numbers."""
    texts = [*SPACE, *COURT, *LOVE] * 3
    films = [(n, f"Film {n} (1999)", "Drama") for n in range(1, len(texts) + 1)]
    documents = {n: {"overview": f"{text} part {n % 5}"} for n, text in enumerate(texts, 1)}

    land(space, films, {n: documents[n] for n in range(1, 24)}, tmp_path / "first")
    alone, before = text_vectors(list(film_texts(space).values()), 6), embedded(space, 6)
    lines = [json.dumps({"id": n, **document}) for n, document in documents.items()]
    (space.raw_tmdb / "more.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    raw, now = text_vectors(list(film_texts(space).values()), 6), embedded(space, 6)
    assert np.array_equal(before, alone)
    assert (raw * before)[:23].sum(axis=1).mean() < 0.6
    assert (now * before)[:23].sum(axis=1).mean() > 0.9
    assert np.allclose(now @ now.T, raw @ raw.T, atol=1e-5)
    file = vectors_file(space)
    stamp = file.stat().st_mtime_ns
    embed(space, 6)
    assert file.stat().st_mtime_ns == stamp
