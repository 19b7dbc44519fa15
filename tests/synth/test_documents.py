"""Documents have the shape of TMDb's, and tell of the films of the archive."""

import gzip
import json
from typing import Any

from tests.real_data import real_file
from tests.synth.conftest import Data

LISTS = ("genres", "production_companies", "production_countries", "spoken_languages")
ALIASES = {"Family": "Children", "Science Fiction": "Sci-Fi", "Music": "Musical"}


def shape(document: dict[str, Any]) -> dict[str, Any]:
    """The keys of a document, and those of the first entry of each of its lists."""
    entries = {name: document[name] for name in LISTS}
    entries |= {name: document["credits"][name] for name in ("cast", "crew")}
    entries["keywords"] = document["keywords"]["keywords"]
    return {"document": list(document)} | {name: list(rows[0]) for name, rows in entries.items() if rows}


def test_shape_is_that_of_real_documents(data: Data) -> None:
    with gzip.open(real_file("tmdb/movies.jsonl.gz"), "rt", encoding="utf-8") as lines:
        real: dict[str, Any] = {}
        for line in lines:
            real = shape(json.loads(line)) | real
    made: dict[str, Any] = {}
    for document in data.documents:
        made = shape(document) | made
    assert made == real


def test_documents_are_of_the_films(data: Data) -> None:
    films = data.table("movies.csv").merge(data.table("links.csv"), on="movieId").dropna().set_index("tmdbId")
    ids = [document["id"] for document in data.documents]
    assert len(set(ids)) == len(ids) == data.made.document_count
    assert set(ids) <= set(films.index)
    assert len(ids) > 0.97 * len(films)
    for document in data.documents:
        film = films.loc[document["id"]]
        assert document["imdb_id"] == f"tt{film['imdbId']:07d}"
        if film["title"].endswith(")"):
            assert film["title"][-5:-1] == document["release_date"][:4]
        names = {ALIASES.get(genre["name"], genre["name"]) for genre in document["genres"]}
        assert names - {"Crime"} <= set(film["genres"].split("|"))


def test_something_is_known_of_most_films(data: Data) -> None:
    count = len(data.documents)
    assert sum(len(d["credits"]["cast"]) >= 3 for d in data.documents) > 0.9 * count
    assert sum(any(c["job"] == "Director" for c in d["credits"]["crew"]) for d in data.documents) > 0.85 * count
    assert sum(bool(d["keywords"]["keywords"]) for d in data.documents) > 0.8 * count
    for known in ("overview", "runtime", "budget", "original_language", "production_countries"):
        assert 0.3 * count < sum(bool(d[known]) for d in data.documents) <= count, known
    people = [person["id"] for d in data.documents for person in d["credits"]["cast"]]
    assert len(set(people)) < 0.6 * len(people), "people play in more than one film"
