"""ml-100k: the graph as documents, on a made-up wheel and on the real one (through pip, skipped without)."""

import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dbt_project.ingest import archive as archives
from dbt_project.ingest.datasets import stable_id
from dbt_project.ingest.fetch import GRAPH, fetch
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData, write_zip
from tests.ingest.conftest import Ran

FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
WHEEL = {
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
    "item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy Film-Noir\n"
    '243\tJungle "2" Jungle (1997)\tV\tChildren\'s\n'
    "267\tunkonwn\tunkonwn\tunknown\n",
    "link": "item_id:token\tentity_id:token\n242\tm.film\n243\tm.bare\n",
    "user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n196\t49\tM\twriter\t55105\n",
    "kg": "head_id:token\trelation_id:token\ttail_id:token\n"
    "m.film\tfilm.film.actor\tm.b\nm.film\tfilm.film.actor\tm.a\nm.a\tfilm.actor.film\tm.film\n"
    "m.c\tfilm.director.film\tm.film\nm.film\tfilm.film.directed_by\tm.c\nm.film\tfilm.film.written_by\tm.c\n"
    "m.film\tfilm.film.cinematography\tm.d\nm.film\tfilm.film.produced_by\tm.c\n"
    "m.film\tfilm.film.language\tm.cs\nm.film\tfilm.film.country\tm.cz\n"
    "m.film\tfilm.film.production_companies\tm.co\nm.film\tfilm.film.subjects\tm.s\n"
    "m.g\tfilm.film_genre.films_in_this_genre\tm.film\nm.film\tfilm.film.genre\tm.g\n"
    "m.film\tfilm.film.award_nomination\tm.n1\nm.film\tfilm.film.award_nomination\tm.n2\n"
    "m.film\tfilm.film.award_won\tm.n1\nm.other\tfilm.film.actor\tm.a\n",
}


def documents(space: Workspace) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress((space.raw_tmdb / GRAPH).read_bytes()).splitlines()]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up wheel that passes for the real one."""
    path = write_zip(tmp_path / "small.whl", {f"{FOLDER}.{end}": text.encode() for end, text in WHEEL.items()})
    monkeypatch.setattr(archives, "RECBOLE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_tables_of_the_wheel(space: Workspace, wheel: Path) -> None:
    fetch("ml-100k", space, wheel)

    def rows(table: str) -> list[dict]:
        return pq.read_table(space.raw_movielens / f"{table}.parquet").to_pylist()

    assert [(row["title"], row["genres"], row["release_year"]) for row in rows("movies")] == [
        ("Kolya", "Comedy|Film-Noir", "1996"), ('Jungle "2" Jungle (1997)', "Children's", "V"),
        ("unkonwn", "unknown", "unkonwn"),
    ]  # fmt: skip
    assert [(row["movie_id"], row["tmdb_id"]) for row in rows("links")] == [
        ("242", str(stable_id("m.film"))), ("243", str(stable_id("m.bare"))),
    ]  # fmt: skip
    assert rows("users")[0]["gender"] == "M"
    assert rows("ratings")[0]["timestamp"] == "881250949"


def test_every_fact_once(space: Workspace, wheel: Path, cinefeast: Callable[..., Ran]) -> None:
    assert "knowledge graph: 2 films" in cinefeast("fetch", "ml-100k", "--archive", wheel).out
    film, bare = documents(space)
    assert (film["id"], film["title"], film["release_date"]) == (stable_id("m.film"), "Kolya", "1996-01-01")
    assert [(actor["name"], actor["order"]) for actor in film["credits"]["cast"]] == [("m.b", 0), ("m.a", 1)]
    assert [(person["name"], person["job"]) for person in film["credits"]["crew"]] == [
        ("m.c", "Director"), ("m.c", "Writer"), ("m.c", "Producer"), ("m.d", "Director of Photography"),
    ]  # fmt: skip
    assert [word["name"] for word in film["keywords"]["keywords"]] == ["m.s", "m.g"]
    assert film["production_countries"] == [{"iso_3166_1": "m.cz", "name": "m.cz"}]
    assert film["production_companies"] == [{"id": stable_id("m.co"), "name": "m.co"}]
    assert (film["original_language"], film["genres"]) == ("m.cs", [])
    assert film["awards"] == {"nominations": 2, "wins": 1}
    assert bare["release_date"] == "1997-01-01"
    assert (bare["runtime"], bare["budget"], bare["overview"], bare["credits"]["cast"]) == (0, 0, "", [])


def test_the_graph_leaves_with_its_data_set(space: Workspace, wheel: Path, data: FixtureData, tmp_path: Path) -> None:
    fetch("ml-100k", space, wheel)
    fetch("ml-latest-small", space, data.archive)
    assert [path.name for path in space.raw_tmdb.iterdir()] == ["000-empty.jsonl.gz"]
    links = tmp_path / "links.csv"
    links.write_text("movieId,imdbId,tmdbId\n242,1,2\n")
    assert fetch("ml-100k", space, wheel, links).documents == 0  # documents nobody links to would be noise


def test_stable_ids_fit_and_stay() -> None:
    assert stable_id("m.08gjyx") == stable_id("m.08gjyx") != stable_id("m.08gjyy")
    assert all(-(2**31) < stable_id(f"m.{number}") < 0 for number in range(1000))


@pytest.fixture(scope="module")
def real_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """recbole's wheel through pip."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--dest",
        str(directory),
        "recbole==1.2.1",
    ]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("pip cannot reach a package index that has recbole==1.2.1")
    return next(directory.glob("recbole-*.whl"))


def test_real_wheel(space: Workspace, real_wheel: Path) -> None:
    files = fetch("ml-100k", space, real_wheel).files
    assert {table: (file["rows"], file["malformed"]) for table, file in files.items()} == {
        "ratings": (100_000, 0), "movies": (1_682, 0), "tags": (0, 0), "links": (1_598, 0), "users": (943, 0),
    }  # fmt: skip
    with zipfile.ZipFile(real_wheel) as opened:
        triples = [line.split("\t") for line in opened.read(f"{FOLDER}.kg").decode().split("\n")[1:-1]]
        linked = [line.split("\t")[1] for line in opened.read(f"{FOLDER}.link").decode().split("\n")[1:-1]]
    entities = {entity for head, _, tail in triples for entity in (head, tail)} | set(linked)
    assert len({stable_id(entity) for entity in entities}) == len(entities)  # no two share an id

    actors: dict[str, dict[str, None]] = defaultdict(dict)
    directors: dict[str, set[str]] = defaultdict(set)
    for head, relation, tail in triples:
        if relation in ("film.film.actor", "film.actor.film"):
            film, actor = (head, tail) if relation == "film.film.actor" else (tail, head)
            actors[film][actor] = None
        if relation == "film.film.directed_by":
            directors[head].add(tail)
    found = {document["id"]: document for document in documents(space)}
    assert set(found) == {stable_id(entity) for entity in linked}
    for entity in linked:
        credits = found[stable_id(entity)]["credits"]
        cast = [actor["name"] for actor in credits["cast"]]
        assert cast == list(actors[entity])
        assert {person["name"] for person in credits["crew"] if person["job"] == "Director"} == directors[entity]
