"""The knowledge graph of ml-100k as documents shaped like TMDb's: everything after it knows one shape.

RecBole's wheel carries the part of Freebase that KB4Rec (Zhao et al. 2019, https://arxiv.org/abs/1807.11141)
links to MovieLens 100K. It has ids and no names: a person's name here is the Freebase id.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from dbt_project.ingest.datasets import stable_id

KG_FILE = "ml-100k.kg"
Facts = dict[str, list[str]]  # relation -> entities, in the order of the file

# The graph has most facts twice, once from either end; both mean (film, relation, other).
INVERSE = {
    "film.actor.film": "film.film.actor",
    "film.director.film": "film.film.directed_by",
    "film.writer.film": "film.film.written_by",
    "film.producer.film": "film.film.produced_by",
    "film.cinematographer.film": "film.film.cinematography",
    "film.production_company.films": "film.film.production_companies",
    "film.film_genre.films_in_this_genre": "film.film.genre",
    "film.film_subject.films": "film.film.subjects",
    "film.content_rating.film": "film.film.rating",
}
CREW = {
    "film.film.directed_by": ("Director", "Directing"),
    "film.film.written_by": ("Writer", "Writing"),
    "film.film.produced_by": ("Producer", "Production"),
    "film.film.cinematography": ("Director of Photography", "Camera"),
}


def read_facts(lines: Iterable[str]) -> dict[str, Facts]:
    """Film -> its facts from `head relation tail` lines with a header; each fact once."""
    facts: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    rows = iter(lines)
    next(rows)
    for line in rows:
        head, relation, tail = line.rstrip("\r\n").split("\t")
        if relation in INVERSE:
            head, relation, tail = tail, INVERSE[relation], head
        facts[head][relation][tail] = None
    return {film: {name: list(others) for name, others in known.items()} for film, known in facts.items()}


def graph_documents(items: Iterable[list[str]], links: Iterable[list[str]], facts: dict[str, Facts]) -> Iterator[dict]:
    """One document per linked film, from (movie_id, title, year, genres) and (movie_id, entity) rows."""
    films = {movie_id: (title, year) for movie_id, title, year, _ in items}
    for movie_id, entity in links:
        if movie_id in films:
            yield graph_document(entity, *films[movie_id], facts.get(entity, {}))


def graph_document(entity: str, title: str, year: str, facts: Facts) -> dict:
    """The document of one film, with TMDb's empty values where the graph knows nothing."""
    in_title = re.search(r"\((\d{4})\)$", title)  # one film has the year there instead
    release_year = year if re.fullmatch(r"\d{4}", year) else in_title and in_title[1]
    languages = facts.get("film.film.language", [])
    crew = [
        {**named(person), "job": job, "department": department}
        for relation, (job, department) in CREW.items()
        for person in facts.get(relation, [])
    ]
    cast = [
        {**named(actor), "character": None, "order": order}
        for order, actor in enumerate(facts.get("film.film.actor", []))
    ]
    companies = facts.get("film.film.production_companies", [])
    words = facts.get("film.film.subjects", []) + facts.get("film.film.genre", [])
    return {
        "adult": False,
        "id": stable_id(entity),
        "imdb_id": None,
        "title": title,
        "original_title": title,
        "original_language": languages[0] if len(languages) == 1 else None,
        "overview": "",
        "tagline": "",
        "status": "Released",
        "release_date": f"{release_year}-01-01" if release_year else "",
        "runtime": 0,
        "budget": 0,
        "revenue": 0,
        "popularity": None,
        "vote_average": 0.0,
        "vote_count": 0,
        "genres": [],
        "production_companies": [named(company) for company in companies],
        "production_countries": [{"iso_3166_1": c, "name": c} for c in facts.get("film.film.country", [])],
        "spoken_languages": [{"iso_639_1": language, "name": language} for language in languages],
        "belongs_to_collection": None,
        "credits": {"cast": cast, "crew": crew},
        "keywords": {"keywords": [named(word) for word in dict.fromkeys(words)]},
        "awards": {
            "nominations": len(facts.get("film.film.award_nomination", [])),
            "wins": len(facts.get("film.film.award_won", [])),
        },
    }


def named(entity: str) -> dict:
    """An id and a name for an entity that has only a Freebase id."""
    return {"id": stable_id(entity), "name": entity}
