"""The made-up films of tests/fixtures.py and their TMDb documents."""

import random
from dataclasses import dataclass

FILMS = 150
GENRES = [
    "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]  # fmt: skip
NO_GENRES = "(no genres listed)"
ODD_TITLES = [
    'Quotes, "Commas" and More (1994)', "Left::Right (1999)", "七つの夜 (2001)", "Ночной поезд (1987)",
    "Émilie à la plage (2003)", "रात का शहर (1996)", "No Year At All", "Crime::And::Rhyme (1975)",
]  # fmt: skip
FIRST = ["Ana", "Jürgen", "María", "光", "Иван", "Zoë", "Amit", "Łukasz", "Chloé", "Yusuf", "Grace", "민준"]
LAST = ["Okafor", "Sørensen", "Петров", "山田", "Núñez", "O'Brien", "शर्मा", "García", "Kim", "Weiß"]
WORDS = ["Harbour", "Winter", "Glass", "Paper", "Second", "Silent", "Crooked", "Last", "Golden", "River"]
KEYWORDS = ["heist", "time travel", "small town", "courtroom", "road trip", "found family", "revenge", "snow",
            "detective", "robot", "orchestra", "border", "lighthouse", "chess", "train"]  # fmt: skip


@dataclass(frozen=True)
class Film:
    """One film of movies.csv; `tmdb_id` is None where links.csv has no TMDb id."""

    movie_id: int
    title: str
    genres: tuple[str, ...]
    tmdb_id: int | None
    popularity: float
    quality: float

    @property
    def genre_text(self) -> str:
        """The genres as MovieLens writes them."""
        return "|".join(self.genres) or NO_GENRES

    @property
    def latin_title(self) -> str:
        """The title, or a stand-in where latin-1 cannot hold it."""
        try:
            self.title.encode("latin-1")
        except UnicodeEncodeError:
            return f"Film {self.movie_id} (1990)"
        return self.title


def make_films(rng: random.Random) -> list[Film]:
    """150 films with gaps between their ids, two genres each; one without genres, four without a TMDb id."""
    films = []
    for number in range(FILMS):
        movie_id = 1 + number * 3
        title = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {movie_id} ({rng.randint(1940, 2015)})"
        if number % 15 == 4 and number // 15 < len(ODD_TITLES):
            title = ODD_TITLES[number // 15]
        genres = () if number == 20 else tuple(sorted(rng.sample(GENRES, 2)))
        tmdb_id = None if number in (11, 52, 93, 134) else 1000 + number * 7
        popularity = 1 / (1 + number % 50) ** 0.6
        films.append(Film(movie_id, title, genres, tmdb_id, popularity, rng.gauss(0, 0.35)))
    return films


def make_person(number: int) -> dict:
    """A person as a TMDb credit names one; the name goes round several scripts."""
    name = f"{FIRST[number % len(FIRST)]} {LAST[number % len(LAST)]} {number}"
    return {"id": 5000 + number, "name": name}


def documents(films: list[Film], rng: random.Random) -> list[dict]:
    """139 TMDb documents for the films, and one that no film links to.

    Seven films with a TMDb id have no document. Directors and actors keep to a genre, so they tell something.
    """
    linked = [film for film in films if film.tmdb_id is not None]
    known = [film for number, film in enumerate(linked) if number % 20 != 6]
    docs = [document(film.tmdb_id or 0, film.title, film.genres, n, rng) for n, film in enumerate(known)]
    return [*docs, document(77, "Linked From Nowhere (1966)", (), 9999, rng)]


def document(tmdb_id: int, title: str, genres: tuple[str, ...], number: int, rng: random.Random) -> dict:
    """What `GET /3/movie/{id}?append_to_response=credits,keywords` returns; nulls and zeros where unknown."""
    home = GENRES.index(genres[0]) if genres else len(GENRES)
    director = make_person(home * 2 + rng.randrange(2))
    actors = [make_person(100 + home * 5 + step) for step in rng.sample(range(10), rng.randint(0, 6))]
    crew = [{**director, "job": "Director", "department": "Directing"}]
    if number % 4 == 0:
        crew.append({**make_person(60 + number % 9), "job": "Writer", "department": "Writing"})
    if number % 6 == 0:
        crew.append({**director, "job": "Producer", "department": "Production"})
    year = title[-5:-1] if title.endswith(")") else ""
    saga = {"id": 700 + number % 5, "name": f"Saga {number % 5}"}
    language = rng.choice(["en", "en", "fr", "ja", "ru", "hi"])
    return {
        "adult": False,
        "id": tmdb_id,
        "imdb_id": None if number % 9 == 0 else f"tt{tmdb_id:07d}",
        "title": title.rsplit(" (", 1)[0],
        "original_title": title.rsplit(" (", 1)[0],
        "original_language": None if number % 13 == 0 else language,
        "overview": "" if number % 17 == 0 else f"A {' and '.join(genres).lower()} story, number {number}.",
        "tagline": "",
        "status": "Released",
        "release_date": f"{year}-{1 + number % 12:02d}-{1 + number % 28:02d}" if year else "",
        "runtime": None if number % 11 == 0 else 80 + number % 70,
        "budget": 0 if number % 3 == 0 else 1_000_000 * (1 + number % 60),
        "revenue": 0 if number % 5 == 0 else 2_000_000 * (1 + number % 80),
        "popularity": None if number % 19 == 0 else round(rng.random() * 30, 3),
        "vote_average": round(4 + rng.random() * 5, 3),
        "vote_count": rng.randrange(20_000),
        "genres": [{"id": 10 + GENRES.index(genre), "name": genre} for genre in genres],
        "production_companies": [{"id": 300 + number % 8, "name": f"Studio {number % 8}"}][number % 7 == 0 :],
        "production_countries": [{"iso_3166_1": rng.choice(["US", "FR", "JP", "IN"])}][number % 6 == 0 :],
        "spoken_languages": [{"iso_639_1": language}][number % 12 == 0 :],
        # the last one is no name of an image
        "poster_path": {0: f"/poster_{number}.jpg", 1: None, 2: "/../x.jpg\" onerror=\"alert(1)"}[number % 3],
        "belongs_to_collection": saga if number % 10 == 3 else None,
        "credits": {
            "cast": [{**actor, "character": None if order > 2 else f"Role {order}", "order": order}
                     for order, actor in enumerate(actors)],
            "crew": [] if number % 23 == 5 else crew,
        },
        "keywords": {"keywords": [{"id": 900 + KEYWORDS.index(word), "name": word}
                                  for word in rng.sample(KEYWORDS, rng.randint(0, 4))]},
    }  # fmt: skip
