"""What there is to read about each landed film, as one text: the title, and what its TMDb document tells.

dbt reads the same documents, but later: its build needs the vectors of these texts. Rules are shared where they can be
(macros/shared_rules.sql); that both choose the same documents, tombstones among them, and the same people is held by
tests/warehouse/test_collected.py and test_film_texts.py.
"""

import re
from collections.abc import Container, Iterable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.event_contract import EARLIEST_YEAR, LATEST_YEAR
from dbt_project.events.read import read_all
from dbt_project.events.schemas import FILMS, GIVEN, SCHEMAS
from dbt_project.genres import known_genres
from dbt_project.ingest.json_lines import landed_lines, parsed
from dbt_project.sql_macros import shared_rule
from dbt_project.whole_numbers import whole_number
from dbt_project.workspace import Workspace


def film_texts(space: Workspace) -> dict[int, str]:
    """movie_id to text, ascending: a line each for title, tagline, overview, genres, keywords, directors, lead cast.

    Films, links and documents are matched as dbt does it: the first line of a film counts, and the latest document.
    Films that were added or changed since are as they were told last. Without a document there are title and genres.
    CineFeastError where no films are landed.
    """
    films = landed(space, "movies", "title", "genres")
    if not films:
        raise CineFeastError(f"no landed films in {space.raw_movielens}", "cinefeast fetch ml-100k")
    directors = put_changes(space, films)
    links = {movie_id: whole_number(tmdb_id) for movie_id, (tmdb_id,) in landed(space, "links", "tmdb_id").items()}
    wanted = set(links.values()) - {None}
    documents = latest_documents(space, wanted)
    titles = plain_titles([title for title, _ in films.values()])
    texts: dict[int, str] = {}
    for (movie_id, (_, genres)), title in sorted(zip(films.items(), titles, strict=True)):
        document = documents.get(links.get(movie_id) or 0, {})
        if movie_id in directors:
            document = {**document, "directors": [directors[movie_id]]}
        texts[movie_id] = "\n".join(lines(title, (genres or "").split("|"), document))
    return texts


def landed(space: Workspace, table: str, *columns: str) -> dict[int, list[str | None]]:
    """The columns of a landed table by movie_id."""
    try:
        rows = pq.read_table(space.raw_movielens / f"{table}.parquet", columns=["movie_id", *columns])
    except FileNotFoundError:
        return {}
    found: dict[int, list[str | None]] = {}
    for movie_id, *values in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
        if (key := whole_number(movie_id)) is not None and key >= 0:
            found.setdefault(key, values)
    return found


def put_changes(space: Workspace, films: dict[int, list[str | None]]) -> dict[int, str]:
    """Put titles and genres that were told since into `films`; the directors that were told, by movie_id.

    As int_movies of the warehouse merges them: of each field the latest change counts that tells it. What the contract
    of int_movie_changes_checked rejects is left out.
    """
    directors = {}
    for change in read_all(space.events / FILMS, SCHEMAS[FILMS]).to_pylist():
        if change["is_retired"] or not is_taken(change, films):
            continue
        movie_id, title, director = change["movie_id"], change["title"], change["director_name"]
        told = title, "|".join(genre.name for genre in known_genres(change["genre_names"] or ()))
        films[movie_id] = [new or old for new, old in zip(told, films.get(movie_id, [None, None]), strict=True)]
        if director is not None:
            directors[movie_id] = director
    return directors


def is_taken(change: dict[str, Any], films: Container[int]) -> bool:
    """Whether int_movie_changes_checked of the warehouse takes a change."""
    movie_id, title, year = change["movie_id"], change["title"], change["release_year"]
    if change[GIVEN] is not None:
        return False
    if movie_id is None or movie_id < 0 or not (year is None or EARLIEST_YEAR <= year <= LATEST_YEAR):
        return False
    return movie_id in films if title is None else bool(title.strip())


def plain_titles(titles: list[str | None]) -> list[str]:
    """Landed titles as the warehouse has them, in the same order."""
    with duckdb.connect() as connection:
        found = connection.from_arrow(pa.table({"title": pa.array(titles, pa.string())}))
        return [title or "" for (title,) in found.project(shared_rule("plain_title", "title")).fetchall()]


def latest_documents(space: Workspace, wanted: set[int | None]) -> dict[int, dict[str, list[str]]]:
    """What the latest document of each wanted film tells: nothing, where TMDb last said that there is no such film."""
    latest: dict[int, tuple[str, dict[str, list[str]]]] = {}
    for tmdb_id, fetched_at, document in documents(space):
        if tmdb_id in wanted and fetched_at >= latest.get(tmdb_id, ("", {}))[0]:
            latest[tmdb_id] = fetched_at, texts_of(document)
    return {tmdb_id: document for tmdb_id, (_, document) in latest.items()}


def documents(space: Workspace) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """tmdb_id, moment of fetching and document of each landed line, in order of landing.

    Lines that are no document are left out. A tombstone is an empty document; one from a file has the moment "".
    """
    for file in sorted(space.raw_tmdb.glob("*.jsonl.gz"), key=lambda file: (landed_stamp(file.name), file.name)):
        for line in landed_lines(file):
            try:
                payload = parsed(line)
            except ValueError:
                continue
            if not isinstance(payload, dict):
                continue
            fetched_at, document = payload.get("fetched_at"), payload
            if fetched_at is not None:
                if payload.get("status") not in ("document", "tombstone"):
                    continue
                inner = payload.get("document")
                document = {**(inner if isinstance(inner, dict) else {}), "id": payload.get("tmdb_id")}
            if (tmdb_id := whole_number(document.get("id"))) is not None:
                yield tmdb_id, str(fetched_at or ""), document


def landed_stamp(name: str) -> str:
    """When a file of documents came in, as its name tells; "" of one without a moment, which comes first."""
    stamp = re.match(r"from-(\d{8}T\d{6}\.\d{6})-", name)
    return stamp[1] if stamp else ""


def texts_of(document: dict[str, Any]) -> dict[str, list[str]]:
    """The parts of a document that are text."""
    crew = items(document, "credits", "crew")
    return {
        "prose": [text for name in ("tagline", "overview") if isinstance(text := document.get(name), str)],
        "genres": names(items(document, "genres")),
        "keywords": names(items(document, "keywords", "keywords")),
        "directors": names(member for member in crew if member.get("job") == "Director"),
        "cast": lead_cast(document),
    }


def lines(title: str, genres: list[str], texts: dict[str, list[str]]) -> Iterator[str]:
    """The lines of one film's text that are not empty."""
    yield title
    yield from (" ".join(text.split()) for text in texts.get("prose", ()) if text.strip())
    known = [name for name in genres if name and name != "(no genres listed)"]
    lists = [known + texts.get("genres", []), *(texts.get(part, []) for part in ("keywords", "directors", "cast"))]
    yield from (", ".join(dict.fromkeys(names)) for names in lists if names)


def items(document: dict[str, Any], *path: str) -> list[dict[str, Any]]:
    """The objects of a list somewhere in a document; none where there is no such list."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def names(found: Iterable[dict[str, Any]]) -> list[str]:
    """The names of a document's items."""
    return [name for item in found if isinstance(name := item.get("name"), str) and name.strip()]


def lead_cast(document: dict[str, Any]) -> list[str]:
    """The names of the first actors in the credits, each person once."""
    billed = []
    for at, actor in enumerate(items(document, "credits", "cast")):
        person_id, order = whole_number(actor.get("id")), whole_number(actor.get("order"))
        if person_id is not None:
            billed.append((at if order is None else order, person_id, at, actor))
    once: dict[int, dict[str, Any]] = {}
    for _, person_id, _, actor in sorted(billed, key=lambda entry: entry[:3]):
        once.setdefault(person_id, actor)
    return names(list(once.values())[: int(shared_rule("count_leads"))])
