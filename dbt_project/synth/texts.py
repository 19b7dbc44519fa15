"""What stands beside the ratings: titles, genres, ids elsewhere and keywords of the films."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dbt_project.synth.films import GENRES, SyntheticFilms
from dbt_project.synth.words import ADJECTIVES, KEYWORDS, NOUNS

FILM_KEYWORDS, FROM_GENRE, GENRE_KEYWORDS = 10, 7, 42  # keywords of a film, those of its genre, those a genre has
NO_TMDB, NO_YEAR = 0.0014, 0.007  # ml-32m: 124 of 87,585 films have no TMDb id
NO_GENRES = "(no genres listed)"
TITLES = (
    "The {a} {n}", "{n} of the {a} {m}", "{a} {n}", "{n} in {m}", "{n}, {m} and {b} {n}", "{a} {n}: The {m}",
    "The {n} and the {m}", "{b} {a} {n}",
)  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """One element per film.

    title, without the year; year; genres, as MovieLens writes them, "" for none; imdb_id; tmdb_id, 0 for none;
    keywords (films, FILM_KEYWORDS), numbers in words.KEYWORDS, no two of a film the same.
    """

    title: list[str]
    year: np.ndarray
    genres: list[str]
    imdb_id: np.ndarray
    tmdb_id: np.ndarray
    keywords: np.ndarray


def make_texts(films: SyntheticFilms, rng: np.random.Generator) -> Texts:
    """The texts of all films."""
    count = len(films.movie_id)
    return Texts(
        title=make_titles(count, rng),
        year=1970 + films.released_at.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64),
        genres=["|".join(n for n, has in zip(GENRES, row, strict=True) if has) for row in films.has_genre.tolist()],
        imdb_id=1 + np.sort(rng.choice(9_000_000, count, replace=False)),
        tmdb_id=np.where(rng.random(count) < NO_TMDB, 0, 1 + rng.choice(count * 12, count, replace=False)),
        keywords=make_keywords(films.main_genre, rng),
    )


def make_titles(count: int, rng: np.random.Generator) -> list[str]:
    """Titles of two to six words; some begin with an article, some hold a comma or a colon."""
    adjective, other = rng.integers(0, len(ADJECTIVES), (2, count)).tolist()
    noun, second = rng.integers(0, len(NOUNS), (2, count)).tolist()
    shape = rng.choice(len(TITLES), count, p=[0.25, 0.15, 0.2, 0.1, 0.02, 0.08, 0.1, 0.1]).tolist()
    return [
        TITLES[s].format(a=ADJECTIVES[a], b=ADJECTIVES[b], n=NOUNS[n], m=NOUNS[m])
        for s, a, b, n, m in zip(shape, adjective, other, noun, second, strict=True)
    ]


def make_keywords(genre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(films, FILM_KEYWORDS): most are the genre's. Each place has keywords of its own to draw from."""
    favoured = rng.permuted(np.tile(np.arange(len(KEYWORDS)), (genre.max() + 1, 1)), axis=1)
    edges = np.linspace(0, GENRE_KEYWORDS, FROM_GENRE + 1)[:-1].astype(int).tolist()
    edges += np.linspace(GENRE_KEYWORDS, len(KEYWORDS), FILM_KEYWORDS - FROM_GENRE + 1).astype(int).tolist()
    width = np.diff(edges)
    chosen = np.array(edges[:-1]) + (width * rng.random((len(genre), FILM_KEYWORDS)) ** 1.7).astype(np.int64)
    return favoured[genre[:, None], chosen]


def movie_lines(films: SyntheticFilms, texts: Texts, rng: np.random.Generator) -> Iterator[bytes]:
    """Lines of movies.csv: `Title, The (1999)`, a few without the year; in quotes where there is a comma."""
    no_year = rng.random(len(texts.title)) < NO_YEAR
    ids, years = films.movie_id.tolist(), texts.year.tolist()
    for movie_id, title, year, genres, lacks in zip(ids, texts.title, years, texts.genres, no_year, strict=True):
        article, _, rest = title.partition(" ")
        shown = f"{rest}, {article}" if article == "The" else title
        shown = shown if lacks else f"{shown} ({year})"
        shown = f'"{shown}"' if "," in shown else shown
        yield f"{movie_id},{shown},{genres or NO_GENRES}\n".encode()


def links_table(films: SyntheticFilms, texts: Texts) -> pa.Table:
    """links.csv: IMDb ids have seven digits."""
    imdb = [f"{number:07d}" for number in texts.imdb_id.tolist()]
    tmdb = pa.array(texts.tmdb_id, mask=texts.tmdb_id == 0)
    return pa.table({"movieId": films.movie_id, "imdbId": imdb, "tmdbId": tmdb})
