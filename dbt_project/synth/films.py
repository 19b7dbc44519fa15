"""The films: when the catalogue got them, genres, people, taste vector, quality and how well known they are."""

from dataclasses import dataclass

import numpy as np

from dbt_project.synth.people import make_casts, make_directors, make_quality
from dbt_project.synth.presets import Preset, seconds
from dbt_project.synth.taste import TasteSpace, film_vectors

DAY = 86_400
YEAR = 365.2425 * DAY
GENRES = {
    "Action": 9.0, "Adventure": 5.0, "Animation": 4.5, "Children": 4.0, "Comedy": 23.0, "Crime": 6.5,
    "Documentary": 9.0, "Drama": 33.0, "Fantasy": 4.0, "Film-Noir": 0.4, "Horror": 8.5, "IMAX": 0.2,
    "Musical": 1.2, "Mystery": 4.0, "Romance": 10.0, "Sci-Fi": 5.5, "Thriller": 11.5, "War": 2.2, "Western": 1.6,
}  # fmt: skip
NO_GENRES = 0.08
# How many films the published archives held on their last day: ml-100k, -1m, -10m, -20m, -25m and -32m.
GROWTH = {
    "1995-01-01": 1_000, "1998-04-22": 1_682, "2003-02-28": 3_883, "2009-01-05": 10_681,
    "2015-03-31": 27_278, "2019-11-21": 62_423, "2023-10-12": 87_585,
}  # fmt: skip
KNOWN_AT_START = 400
# Ratings that the film at a rank is to get, shaped after ml-32m (log-log interpolation; only proportions count).
KNOWN = {
    1: 160_000, 10: 120_000, 100: 45_000, 1_000: 8_000, 3_000: 1_500, 10_000: 100, 20_000: 10, 40_000: 1, 87_585: 0.5,
}  # fmt: skip
SHORTEST = 0.03  # the newest films get at most 1 / SHORTEST times the weight
LAST_ADDED = 30 * DAY  # before the end: all films can be rated for a while


@dataclass(frozen=True)
class SyntheticFilms:
    """One element per film, in the order in which the catalogue got them.

    movie_id; added_at (first moment at which it can be rated) and released_at, seconds since 1970; has_genre
    (films, genres), main_genre, len(GENRES) for none; director (films,) and cast (films, CAST), numbers of people, -1
    for none; vectors (films, d); quality, in stars; popularity, the weight in choices, 0 if nobody is to rate it.
    """

    movie_id: np.ndarray
    added_at: np.ndarray
    released_at: np.ndarray
    has_genre: np.ndarray
    main_genre: np.ndarray
    director: np.ndarray
    cast: np.ndarray
    vectors: np.ndarray
    quality: np.ndarray
    popularity: np.ndarray

    def known_by_day(self, preset: Preset) -> np.ndarray:
        """How many films the catalogue holds at the beginning of each day of the preset, counted from its start."""
        days = np.arange(preset.first_second, preset.last_second + 1, DAY)
        return np.searchsorted(self.added_at, days, side="right")


def make_films(preset: Preset, space: TasteSpace, rng: np.random.Generator) -> SyntheticFilms:
    """The catalogue of a preset."""
    count = preset.films
    added_at = make_added(preset)
    has_genre = make_genres(count, rng)
    main_genre = np.where(has_genre.any(axis=1), has_genre.argmax(axis=1), len(GENRES))
    director, cast = make_directors(main_genre, rng), make_casts(main_genre, rng)
    rank = make_ranks(count, rng)
    return SyntheticFilms(
        movie_id=1 + np.sort(rng.choice(int(count * 3.3), count, replace=False)),
        added_at=added_at,
        released_at=make_released(added_at, preset, rng),
        has_genre=has_genre,
        main_genre=main_genre,
        director=director,
        cast=cast,
        vectors=film_vectors(space, has_genre, rng),
        quality=make_quality(director, cast, rank, rng),
        popularity=make_popularity(rank, added_at, preset),
    )


def make_added(preset: Preset) -> np.ndarray:
    """Ascending moments; the films the catalogue opened with have the preset's first second."""
    held = np.array(list(GROWTH.values()), float)
    at = np.array([seconds(day) for day in GROWTH], float)
    share = np.arange(preset.films) / preset.films * np.interp(preset.last_second, at, held)
    added = np.interp(share, held, at, left=preset.first_second)
    added[: min(KNOWN_AT_START, preset.films)] = 0
    return np.clip(added, preset.first_second, preset.last_second - LAST_ADDED).astype(np.int64)


def make_released(added_at: np.ndarray, preset: Preset, rng: np.random.Generator) -> np.ndarray:
    """New films come to the catalogue within weeks of their release, older ones decades later."""
    count = len(added_at)
    is_new = (added_at > preset.first_second) & (rng.random(count) < 0.5)
    oldest = seconds("1915-01-01")
    age = np.minimum(rng.exponential(18 * YEAR, count), (added_at - oldest) * rng.random(count))
    return (added_at - np.where(is_new, rng.exponential(45 * DAY, count), age) - DAY).astype(np.int64)


def make_genres(count: int, rng: np.random.Generator) -> np.ndarray:
    """(films, genres) booleans: one to four genres, common ones more often; some films have none."""
    key = np.log(list(GENRES.values())) + rng.gumbel(size=(count, len(GENRES)))
    order = np.argsort(-key, axis=1)
    many = rng.choice(5, count, p=[NO_GENRES, 0.36, 0.31, 0.18, 0.07])
    has_genre = np.zeros((count, len(GENRES)), bool)
    np.put_along_axis(has_genre, order, np.arange(len(GENRES)) < many[:, None], axis=1)
    return has_genre


def make_ranks(count: int, rng: np.random.Generator) -> np.ndarray:
    """(films,) 1 for the best known; films that the catalogue got early tend to be better known."""
    key = -1.1 * np.log1p(np.arange(count) / count * 30) + rng.standard_normal(count) * 1.1
    rank = np.empty(count, np.int64)
    rank[np.argsort(-key)] = np.arange(1, count + 1)
    return rank


def make_popularity(rank: np.ndarray, added_at: np.ndarray, preset: Preset) -> np.ndarray:
    """The weight in choices: what a film of this rank is to get, over the time that it has to get it."""
    expected = np.exp(np.interp(np.log(rank), np.log(list(KNOWN)), np.log(list(KNOWN.values()))))
    time = (preset.last_second - added_at) / (preset.last_second - preset.first_second)
    expected *= np.where(
        rank > preset.rated_films, 0, np.exp(-5 * (rank / len(rank)) ** 4)
    )  # every catalogue has an end
    return expected / np.maximum(time, SHORTEST)
