"""What a user has watched against a film: the function behind the on-demand view `user_movie_taste`.

Facts of the films watched do not change, and all films lie in memory where requests are served. So they come with the
request (`watched_facts`), looked up in films that were read through Feast, and no store keeps them once a user.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

WATCHED = 200
"""How many of the latest films count."""
DAY = 86_400
WIDTHS = {"watched_directors": 2, "watched_cast": 5, "watched_keywords": 20}
"""Ids a film, 0 where it has fewer."""
TASTE = (
    "cross_director_count", "cross_director_liking", "cross_cast_count", "cross_cast_liking",
    "cross_keyword_count", "cross_keyword_share", "cross_language_share", "cross_country_share",
    "cross_year_distance", "cross_runtime_distance", "cross_days_since_similar",
    "cross_text_similarity", "cross_text_recent",
)  # fmt: skip
RECENT = 10
"""How many of the latest films `cross_text_recent` is about."""


class Films:
    """What is known of some films, a row each: the columns of the film views as arrays."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """`columns` are movie_director_ids, movie_cast_ids, movie_keyword_ids, movie_genres, movie_countries,
        movie_text_embedding (lists), movie_language (text), movie_year and movie_runtime (numbers)."""
        self.directors = padded(columns["movie_director_ids"], WIDTHS["watched_directors"])
        self.cast = padded(columns["movie_cast_ids"], WIDTHS["watched_cast"])
        self.keywords = padded(columns["movie_keyword_ids"], WIDTHS["watched_keywords"])
        self.genres = masks(columns["movie_genres"])
        self.languages = words(columns["movie_language"])
        self.countries = words([value[0] if is_list(value) else None for value in columns["movie_countries"]])
        self.years = floats(columns["movie_year"])
        self.runtimes = floats(columns["movie_runtime"])
        self.texts = vectors(columns["movie_text_embedding"])

    def take(self, rows: np.ndarray) -> "Films":
        """Some of the films."""
        some = object.__new__(Films)
        some.__dict__ = {name: values[rows] for name, values in vars(self).items()}
        return some

    def facts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The request's `watched_...` columns for films watched in this order, -1 for one that is not here."""
        known = rows >= 0

        def taken(values: np.ndarray, none: Any) -> np.ndarray:
            some = np.full((len(rows), *values.shape[1:]), none, values.dtype)
            some[known] = values[rows[known]]
            return some.ravel()

        return {
            "watched_directors": taken(self.directors, 0),
            "watched_cast": taken(self.cast, 0),
            "watched_keywords": taken(self.keywords, 0),
            "watched_genres": taken(self.genres, 0),
            "watched_languages": taken(self.languages, ""),
            "watched_countries": taken(self.countries, ""),
            "watched_years": taken(np.nan_to_num(self.years).astype(np.int64), 0),
            "watched_runtimes": taken(np.nan_to_num(self.runtimes).astype(np.int64), 0),
            "watched_texts": taken(self.texts, 0.0),
        }


def taste_features(inputs: pd.DataFrame) -> pd.DataFrame:
    """TASTE of each row of `inputs` as float64, NaN where what it is made of is unknown.

    `inputs` holds Films' columns of the candidate, user_mean_rating, user_seen_ratings and user_seen_timestamps (oldest
    first), asked_at (seconds since 1970), and the columns of `Films.facts` for the last WATCHED films seen.
    """
    found = np.full((len(inputs), len(TASTE)), np.nan)
    films = Films({name: inputs[name].to_numpy() for name in FILM_COLUMNS})
    asked, mean = floats(inputs["asked_at"]), floats(inputs["user_mean_rating"])
    for rows, first in of_one_user(inputs):
        user = {name: inputs[name].iat[first] for name in USER_COLUMNS}
        if is_list(user["user_seen_ratings"]) and (watched := Watched(user)).n:
            found[rows] = taste(watched, films, rows, asked[rows], mean[first])
    return pd.DataFrame(found, columns=list(TASTE))


class Watched:
    """What one user watched last, oldest first: as many films as all columns tell of."""

    def __init__(self, user: Mapping[str, Any]) -> None:
        ratings, times = (np.asarray(user[name], np.float64) for name in USER_COLUMNS[:2])
        facts = {name: np.asarray(user[name]) if is_list(user[name]) else np.empty(0) for name in FACTS}
        width = {name: WIDTHS.get(name, 1) for name in FACTS}
        width["watched_texts"] = max(len(facts["watched_texts"]) // max(len(facts["watched_years"]), 1), 1)
        self.n = min(len(ratings), WATCHED, *(len(values) // width[name] for name, values in facts.items()))

        def last(values: np.ndarray, dtype: Any, width: int) -> np.ndarray:
            return values[len(values) - self.n * width :].astype(dtype).reshape(self.n, width)

        def column(name: str, dtype: Any) -> np.ndarray:
            return last(facts[f"watched_{name}"], dtype, width[f"watched_{name}"])

        self.ratings, self.times = last(ratings, np.float64, 1)[:, 0], last(times, np.float64, 1)[:, 0]
        self.directors, self.cast = column("directors", np.int64), column("cast", np.int64)
        self.keywords, self.genres = column("keywords", np.int64), column("genres", np.int64)[:, 0]
        self.languages, self.countries = column("languages", object)[:, 0], column("countries", object)[:, 0]
        self.years, self.runtimes = column("years", np.float64)[:, 0], column("runtimes", np.float64)[:, 0]
        self.texts = column("texts", np.float32)


def taste(watched: Watched, films: Films, rows: np.ndarray, asked: np.ndarray, mean: float) -> np.ndarray:
    """TASTE (c, len(TASTE)) float64 of the candidates at `rows` of `films` for one user, asked at seconds (c,).

    It is what `taste_features` works out for each user; callers who hold films in memory need not unpack them again.
    """
    above = watched.ratings - mean
    director_count, director_liking = met(films.directors[rows], watched.directors, above)
    cast_count, cast_liking = met(films.cast[rows], watched.cast, above)
    keyword_count, _ = met(films.keywords[rows], watched.keywords, above)
    keywords = (films.keywords[rows] != 0).sum(axis=1)
    liked = above >= 0
    similar, recent = alike(films.texts[rows], watched.texts)
    return np.stack(
        [
            director_count,
            director_liking,
            cast_count,
            cast_liking,
            keyword_count,
            np.divide(keyword_count, keywords, out=np.full(len(rows), np.nan), where=keywords > 0),
            share_of(films.languages[rows], watched.languages),
            share_of(films.countries[rows], watched.countries),
            np.abs(films.years[rows] - typical(watched.years, liked)),
            np.abs(films.runtimes[rows] - typical(watched.runtimes, liked)),
            (asked - last_similar(films.genres[rows], watched)) / DAY,
            similar,
            recent,
        ],
        axis=1,
    )


def met(candidates: np.ndarray, watched: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many of each candidate's ids (c, a) some film watched has (n, b), and how those films were rated (n,)."""
    known, place = np.unique(watched, return_inverse=True)
    times = np.bincount(place.ravel()).astype(float)
    liking = np.bincount(place.ravel(), weights=np.repeat(above, watched.shape[1]))
    at = np.minimum(np.searchsorted(known, candidates), len(known) - 1)
    hit = (known[at] == candidates) & (candidates != 0)
    total, weight = np.where(hit, liking[at], 0.0).sum(axis=1), np.where(hit, times[at], 0.0).sum(axis=1)
    count = np.where((candidates != 0).any(axis=1), hit.sum(axis=1), np.nan)
    return count, np.divide(total, weight, out=np.full(len(count), np.nan), where=weight > 0)


def alike(candidates: np.ndarray, watched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest cosine of each candidate's text (c, d) with one watched (n, d), and the mean of the last RECENT."""
    if candidates.shape[1] != watched.shape[1]:  # no film of the one or of the other has a text
        return np.full(len(candidates), np.nan), np.full(len(candidates), np.nan)
    cosines = candidates @ watched.T
    told = candidates.any(axis=1)
    return np.where(told, cosines.max(axis=1), np.nan), np.where(told, cosines[:, -RECENT:].mean(axis=1), np.nan)


def share_of(candidates: np.ndarray, watched: np.ndarray) -> np.ndarray:
    """The share of the films watched, of those where it is known, that have each candidate's word (c,)."""
    known = watched[watched != ""]
    names, counts = np.unique(known.astype(str), return_counts=True)
    share = dict(zip(names.tolist(), (counts / max(len(known), 1)).tolist(), strict=True))
    unknown = 0.0 if len(known) else np.nan
    return np.array([np.nan if word == "" else share.get(word, unknown) for word in candidates], float)


def typical(values: np.ndarray, liked: np.ndarray) -> float:
    """The mean over the films liked of what is known (above 0); NaN where nothing is."""
    known = values[liked & (values > 0)]
    return float(known.mean()) if len(known) else float("nan")


def last_similar(candidates: np.ndarray, watched: Watched) -> np.ndarray:
    """When a film was last watched that shares half of all genres of the two: seconds (c,), NaN for never."""
    both = np.bitwise_count(candidates[:, None] & watched.genres)
    either = np.bitwise_count(candidates[:, None] | watched.genres)
    last = np.where((2 * both >= either) & (both > 0), watched.times, -np.inf).max(axis=1)
    return np.where(np.isfinite(last), last, np.nan)


def of_one_user(inputs: pd.DataFrame) -> Iterator[tuple[np.ndarray, int]]:
    """Rows that hold the very same lists of a user, and the first of them: 500 candidates are one user's."""
    same = [np.fromiter(map(id, inputs[name]), np.int64, len(inputs)) for name in ("user_seen_ratings", "watched_cast")]
    _, first, group = np.unique(np.stack(same, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel(), minlength=len(first)))
    for place, rows in zip(first, np.split(order, ends[:-1]), strict=True):
        yield rows, int(place)


def is_list(value: Any) -> bool:
    """Whether there is something in it."""
    return isinstance(value, list | np.ndarray) and len(value) > 0


def padded(lists: Any, width: int) -> np.ndarray:
    """The first `width` ids of each list as int64 (n, width), 0 where there are fewer."""
    out = np.zeros((len(lists), width), np.int64)
    lengths = np.array([min(len(value), width) if is_list(value) else 0 for value in lists], np.int64)
    if lengths.any():
        flat = np.concatenate([np.asarray(value[:width], np.int64) for value in lists if is_list(value)])
        out[np.arange(width) < lengths[:, None]] = flat
    return out


def masks(lists: Any) -> np.ndarray:
    """Lists of indexes below 63 as bits of an int64 (n,)."""
    lengths = [len(value) if is_list(value) else 0 for value in lists]
    out = np.zeros(len(lists), np.int64)
    if any(lengths):
        flat = np.concatenate([np.asarray(value, np.int64) for value in lists if is_list(value)])
        np.bitwise_or.at(out, np.repeat(np.arange(len(lists)), lengths), np.left_shift(1, flat))
    return out


def words(values: Any) -> np.ndarray:
    """Texts (n,), "" for none."""
    return np.array([value if isinstance(value, str) else "" for value in values], object)


def floats(values: Any) -> np.ndarray:
    """Numbers as float64 (n,), NaN for none."""
    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(np.float64, na_value=np.nan)


def vectors(lists: Any) -> np.ndarray:
    """Vectors of one length as float32 (n, d), zeros for none; d is 0 where there is none at all."""
    known = np.array([is_list(value) for value in lists], bool)
    width = len(next(value for value in lists if is_list(value))) if known.any() else 0
    out = np.zeros((len(lists), width), np.float32)
    if width:
        out[known] = np.stack([np.asarray(value, np.float32) for value in lists if is_list(value)])
    return out


FILM_COLUMNS = (
    "movie_director_ids", "movie_cast_ids", "movie_keyword_ids", "movie_genres", "movie_countries",
    "movie_language", "movie_year", "movie_runtime", "movie_text_embedding",
)  # fmt: skip
FACTS = (
    *WIDTHS, "watched_genres", "watched_languages", "watched_countries", "watched_years", "watched_runtimes",
    "watched_texts",
)  # fmt: skip
USER_COLUMNS = ("user_seen_ratings", "user_seen_timestamps", *FACTS)
