"""TMDb-shaped documents of the films: what `GET /3/movie/{id}?append_to_response=credits,keywords` returns."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from dbt_project.synth.films import GENRES, SyntheticFilms
from dbt_project.synth.texts import Texts
from dbt_project.synth.words import FIRST_NAMES, KEYWORDS, LAST_NAMES, NOUNS

LACKING = 0.01  # films with a TMDb id and without a document; TMDb removes some
TMDB_NAMES = {"Children": "Family", "Sci-Fi": "Science Fiction", "Musical": "Music", "Film-Noir": "Crime"}
NOT_IN_TMDB = {"IMAX"}
LANGUAGES = {"en": 0.62, "fr": 0.07, "ja": 0.05, "de": 0.05, "es": 0.05, "it": 0.04, "ru": 0.04, "ko": 0.03, "zh": 0.03,
             "hi": 0.02}  # fmt: skip
COUNTRIES = {"en": "US", "fr": "FR", "ja": "JP", "de": "DE", "es": "ES", "it": "IT", "ru": "RU", "ko": "KR", "zh": "CN",
             "hi": "IN"}  # fmt: skip
JOBS = {"Screenplay": "Writing", "Producer": "Production", "Editor": "Editing", "Director of Photography": "Camera"}
ACTOR_IDS, DIRECTOR_IDS, CREW_IDS, COMPANY_IDS, KEYWORD_IDS, COLLECTION_IDS = 10, 1_000_000, 2_000_000, 5_000, 900, 700


def documents(films: SyntheticFilms, texts: Texts, rng: np.random.Generator) -> Iterator[str]:
    """A line of JSON for each film that has a TMDb id; a few lack theirs."""
    columns = make_columns(films, texts, rng)
    has_document = (texts.tmdb_id > 0) & (rng.random(len(texts.title)) >= LACKING)
    for film in np.flatnonzero(has_document).tolist():
        row = {name: values[film] for name, values in columns.items()}
        yield json.dumps(document(texts.title[film], row), ensure_ascii=False)


def make_columns(films: SyntheticFilms, texts: Texts, rng: np.random.Generator) -> dict[str, list]:
    """What documents are made from, a list of one element per film under each name."""
    count = len(texts.title)
    known = np.argsort(np.argsort(films.popularity)) / count  # 0 for the least known film, 1 for the best
    has_budget = rng.random(count) < 0.25 + 0.7 * known**2
    budget = np.where(has_budget, np.exp(13 + 5.5 * known + rng.normal(0, 0.8, count)), 0)
    runtime = np.where(rng.random(count) < 0.03, 0, rng.normal(101, 19, count).clip(40, 300))
    numbers = {
        "tmdb_id": texts.tmdb_id,
        "imdb_id": texts.imdb_id,
        "released": np.datetime_as_string(films.released_at.astype("datetime64[s]"), "D"),
        "language": rng.choice(list(LANGUAGES), count, p=list(LANGUAGES.values())),
        "runtime": runtime.astype(np.int64),
        "budget": budget.astype(np.int64) // 1000 * 1000,
        "revenue": (budget * np.exp(rng.normal(0.4, 1, count))).astype(np.int64),
        "votes": (known**6 * 20_000).astype(np.int64),
        "vote": np.round((6 + 1.4 * films.quality).clip(1, 10), 3),
        "popularity": np.round(known * 30 + rng.exponential(2, count), 3),
        "director": films.director,
        "cast": films.cast,
        "crew": rng.integers(0, count // 2 + 5, (count, len(JOBS))),
        "crew_size": rng.integers(0, len(JOBS) + 1, count),
        "companies": rng.integers(0, count // 15 + 3, (count, 3)),
        "company_count": rng.integers(0, 4, count),
        "keywords": texts.keywords,
        "keyword_count": rng.integers(0, texts.keywords.shape[1] + 1, count),
        "collection": np.where(rng.random(count) < 0.09, rng.integers(0, count // 20 + 1, count), -1),
        "has_overview": rng.random(count) >= 0.01,
        "has_country": rng.random(count) >= 0.1,
        "has_tagline": rng.random(count) < 0.3,
    }
    names = [TMDB_NAMES.get(name, name) for name in GENRES]
    genres = [{"id": 10 + number, "name": name} for number, name in enumerate(names)]
    is_told = [name not in NOT_IN_TMDB for name in GENRES]
    rows = [[genres[number] for number in np.flatnonzero(row)] for row in films.has_genre & is_told]
    return {name: values.tolist() for name, values in numbers.items()} | {"genres": rows}


def document(title: str, row: dict[str, Any]) -> dict:
    """One document; zeros, empty texts and empty lists where TMDb would not know."""
    keywords = [KEYWORDS[number] for number in row["keywords"]]
    kind = " and ".join(genre["name"].lower() for genre in row["genres"]) or "film"
    actors = dict.fromkeys(number for number in row["cast"] if number >= 0)
    return {
        "adult": False,
        "id": row["tmdb_id"],
        "imdb_id": f"tt{row['imdb_id']:07d}",
        "title": title,
        "original_title": title,
        "original_language": row["language"],
        "overview": f"{kind.capitalize()} about {', '.join(keywords[:3])} and {keywords[-1]}."
        if row["has_overview"]
        else "",
        "tagline": f"One {keywords[0]} changes everything." if row["has_tagline"] else "",
        "status": "Released",
        "release_date": row["released"],
        "runtime": row["runtime"],
        "budget": row["budget"],
        "revenue": row["revenue"],
        "popularity": row["popularity"],
        "vote_average": row["vote"],
        "vote_count": row["votes"],
        "genres": row["genres"],
        "production_companies": [company(number) for number in dict.fromkeys(row["companies"][: row["company_count"]])],
        "production_countries": [{"iso_3166_1": COUNTRIES[row["language"]]}] if row["has_country"] else [],
        "spoken_languages": [{"iso_639_1": row["language"]}],
        "belongs_to_collection": collection(row["collection"]),
        "credits": {
            "cast": [actor(number, order) for order, number in enumerate(actors)],
            "crew": crew(row["director"], row["crew"][: row["crew_size"]]),
        },
        "keywords": {
            "keywords": [
                {"id": KEYWORD_IDS + number, "name": KEYWORDS[number]}
                for number in row["keywords"][: row["keyword_count"]]
            ]
        },
    }


def person(person_id: int) -> dict:
    """A person as credits name one; some share a name, none an id."""
    mixed = person_id * 7_919
    first, last = FIRST_NAMES[mixed % len(FIRST_NAMES)], LAST_NAMES[mixed // 64 % len(LAST_NAMES)]
    return {"id": person_id, "name": f"{first} {chr(65 + mixed // 4096 % 26)}. {last}"}


def actor(number: int, order: int) -> dict:
    """An entry of credits.cast; minor parts have no character."""
    character = None if order > 5 else FIRST_NAMES[(number + 7 * order) % len(FIRST_NAMES)]
    return {**person(ACTOR_IDS + number), "character": character, "order": order}


def crew(director: int, others: list[int]) -> list[dict]:
    """credits.crew: the director, if known, and others."""
    members = (
        [] if director < 0 else [{**person(DIRECTOR_IDS + director), "job": "Director", "department": "Directing"}]
    )
    for number, (job, department) in zip(others, JOBS.items(), strict=False):
        members.append({**person(CREW_IDS + number), "job": job, "department": department})
    return members


def company(number: int) -> dict:
    """A production company."""
    first, second = NOUNS[number % len(NOUNS)], NOUNS[number // len(NOUNS) % len(NOUNS)]
    return {"id": COMPANY_IDS + number, "name": f"{first} {second} Pictures"}


def collection(number: int) -> dict | None:
    """A series of films; None for -1."""
    name = f"{NOUNS[number % len(NOUNS)]} {number} Collection"
    return None if number < 0 else {"id": COLLECTION_IDS + number, "name": name}
