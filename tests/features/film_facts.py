"""What the made-up films are, read from the published files and documents, for the oracle."""

import csv
import gzip
import json
import re
from datetime import UTC, date, datetime

from tests.commands import REPOSITORY
from tests.features.oracle import FilmFacts
from tests.fixtures import FixtureData

SEEDS = REPOSITORY / "dbt_project" / "seeds"


def film_facts(data: FixtureData) -> dict[int, FilmFacts]:
    """movie_id to facts, for every film of the fixture."""
    index = {row["genre_name"]: int(row["genre_index"]) for row in read("genres.csv")}
    alias = {row["source_name"]: row["genre_name"] for row in read("genre_aliases.csv")}
    documents = {}
    with gzip.open(data.tmdb, "rt") as lines:
        for line in lines:
            if line.endswith("}\n"):
                document = json.loads(line)
                documents[document["id"]] = document
    facts = {}
    for film in data.films:
        document = documents.get(film.tmdb_id, {})
        credits = document.get("credits", {"cast": [], "crew": []})
        names = {*film.genres, *(genre["name"] for genre in document.get("genres", ()))}
        leads = sorted(credits["cast"], key=lambda actor: (actor["order"], actor["id"]))[:5]
        facts[film.movie_id] = FilmFacts(
            genres=tuple(sorted({index[alias.get(name, name)] for name in names})),
            directors=tuple({member["id"] for member in credits["crew"] if member["job"] == "Director"}),
            cast=tuple(actor["id"] for actor in leads),
            shown_at=shown_at(film.title, document.get("release_date") or ""),
        )
    return facts


def read(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open() as file:
        return list(csv.DictReader(file))


def shown_at(title: str, release_date: str) -> int | None:
    """Seconds since 1970, and not before."""
    year = re.search(r"\((\d{4})\)$", title)
    if not release_date and not year:
        return None
    day = date.fromisoformat(release_date) if release_date else date(int(year[1]), 1, 1)  # type: ignore[index]
    return max(0, int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))
