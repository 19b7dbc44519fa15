"""What a user has watched against a film: the function behind the on-demand view `user_movie_affinity`.

Facts of the films watched do not change, and all films lie in memory where requests are served. So they come with the
request (`FilmAttributes.facts`), looked up in films that were read through Feast, and no store keeps them once a user.
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
AFFINITY = (
    "cross_director_count", "cross_director_liking", "cross_cast_count", "cross_cast_liking",
    "cross_keyword_count", "cross_keyword_share", "cross_language_share", "cross_country_share",
    "cross_year_distance", "cross_runtime_distance", "cross_days_since_similar",
    "cross_text_similarity", "cross_text_recent",
)  # fmt: skip
COUNTED = 1 << 18
"""Ids below this are counted as they are, in an array of so many."""
RECENT = 10
"""How many of the latest films `cross_text_recent` is about."""


class FilmAttributes:
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

    def numbered(self) -> "FilmAttributes":
        """The same films with small numbers for ids and words, 0 for none: quicker, but only beside one another."""
        names = (("directors", 0), ("cast", 0), ("keywords", 0), ("languages", ""), ("countries", ""))
        return self._with({name: small(vars(self)[name], none) for name, none in names})

    def take(self, rows: np.ndarray) -> "FilmAttributes":
        """The films of some rows; -1 for one of which nothing is known."""
        known = rows >= 0
        taken = {}
        for name, values in vars(self).items():
            none: Any = np.nan if values.dtype.kind == "f" and values.ndim == 1 else none_of(values)
            taken[name] = np.full((len(rows), *values.shape[1:]), none, values.dtype)
            taken[name][known] = values[rows[known]]
        return self._with(taken)

    def _with(self, columns: dict[str, np.ndarray]) -> "FilmAttributes":
        new = object.__new__(FilmAttributes)
        new.__dict__ = vars(self) | columns
        return new

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
            "watched_languages": taken(self.languages, none_of(self.languages)),
            "watched_countries": taken(self.countries, none_of(self.countries)),
            "watched_years": whole(taken(self.years, 0.0)),
            "watched_runtimes": whole(taken(self.runtimes, 0.0)),
            "watched_texts": taken(self.texts, 0.0),
        }


def affinity_features(inputs: pd.DataFrame) -> pd.DataFrame:
    """AFFINITY of each row of `inputs` as float64, NaN where what it is made of is unknown.

    `inputs` holds FilmAttributes' columns of the candidate, user_mean_rating, user_seen_ratings and
    user_seen_timestamps (oldest first), asked_at (seconds since 1970), and the columns of `FilmAttributes.facts` for
    the last WATCHED films seen.
    """
    found = np.full((len(inputs), len(AFFINITY)), np.nan)
    films = FilmAttributes({name: inputs[name].to_numpy() for name in FILM_COLUMNS})
    asked, mean = floats(inputs["asked_at"]), floats(inputs["user_mean_rating"])
    for rows, first in of_one_user(inputs):
        user = {name: inputs[name].iat[first] for name in USER_COLUMNS}
        if is_list(user["user_seen_ratings"]) and (watched := Watched(user)).n:
            found[rows] = affinity(watched, films, rows, asked[rows], mean[first])
    return pd.DataFrame(found, columns=list(AFFINITY))


class Watched:
    """What one user watched last, oldest first: as many films as all columns tell of."""

    def __init__(self, user: Mapping[str, Any]) -> None:
        ratings, times = (np.asarray(user[name], np.float64) for name in USER_COLUMNS[:2])
        facts = {name: np.asarray(user[name]) if is_list(user[name]) else np.empty(0) for name in FACTS}
        width = {name: WIDTHS.get(name, 1) for name in FACTS}
        width["watched_texts"] = len(facts["watched_texts"]) // max(len(facts["watched_years"]), 1)  # 0 without texts
        known = [len(values) // width[name] for name, values in facts.items() if width[name]]
        self.n = min(len(ratings), WATCHED, *known)

        def last(values: np.ndarray, dtype: Any, width: int) -> np.ndarray:
            return values[len(values) - self.n * width :].astype(dtype or values.dtype).reshape(self.n, width)

        def column(name: str, dtype: Any) -> np.ndarray:
            return last(facts[f"watched_{name}"], dtype, width[f"watched_{name}"])

        self.ratings, self.times = last(ratings, np.float64, 1)[:, 0], last(times, np.float64, 1)[:, 0]
        self.directors, self.cast = column("directors", np.int64), column("cast", np.int64)
        self.keywords, self.genres = column("keywords", np.int64), column("genres", np.int64)[:, 0]
        self.languages, self.countries = column("languages", None)[:, 0], column("countries", None)[:, 0]
        self.years, self.runtimes = column("years", np.float64)[:, 0], column("runtimes", np.float64)[:, 0]
        self.texts = column("texts", np.float32)


def affinity(watched: Watched, films: FilmAttributes, rows: np.ndarray, asked: np.ndarray, mean: float) -> np.ndarray:
    """AFFINITY (c, len(AFFINITY)) float64 of the candidates at `rows` of `films` for one user, asked at seconds (c,).

    It is what `affinity_features` works out for each user; callers who hold films in memory need not unpack them again.
    """
    above = watched.ratings - mean
    # `take`, as indexing with rows takes twice the time
    director_count, _, director_liking = met(films.directors.take(rows, axis=0), watched.directors, above)
    cast_count, _, cast_liking = met(films.cast.take(rows, axis=0), watched.cast, above)
    keyword_count, keywords, _ = met(films.keywords.take(rows, axis=0), watched.keywords, above)
    liked = above >= 0
    similar, recent = alike(films.texts.take(rows, axis=0), watched.texts)
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


def met(candidates: np.ndarray, watched: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many of each candidate's ids (c, a) some film watched has (n, b), of how many, and how those were rated."""
    candidates, watched, most = beside(candidates, watched, 0)
    times = np.bincount(watched.ravel(), minlength=most).astype(float)
    liking = np.bincount(watched.ravel(), weights=np.repeat(above, watched.shape[1]), minlength=most)
    times[0] = liking[0] = 0.0
    each = np.ones(candidates.shape[1])  # a product with ones takes a quarter of numpy's sum over short rows
    met_times = times[candidates]
    total, weight = liking[candidates] @ each, met_times @ each
    ids = (candidates > 0) @ each
    count = np.where(ids > 0, (met_times > 0) @ each, np.nan)
    return count, ids, np.divide(total, weight, out=np.full(len(count), np.nan), where=weight > 0)


def beside(candidates: np.ndarray, watched: np.ndarray, none: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Both as numbers that can be counted, 0 for `none`, and what they are below: as they are if they are small."""
    if candidates.dtype.kind == watched.dtype.kind == "i" and candidates.size and watched.size:
        most = int(max(candidates.max(), watched.max())) + 1
        if most <= COUNTED and min(candidates.min(), watched.min()) >= 0:
            return candidates, watched, most
    both = small(np.concatenate([candidates.ravel(), watched.ravel()]), none)
    most = int(both.max(initial=0)) + 1
    return both[: candidates.size].reshape(candidates.shape), both[candidates.size :].reshape(watched.shape), most


def small(values: np.ndarray, none: Any) -> np.ndarray:
    """Equal values as equal numbers from 1, `none` as 0."""
    known, place = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
    number = np.cumsum(known != none)
    number[known == none] = 0
    found: np.ndarray = number[place.reshape(values.shape)]
    return found


def alike(candidates: np.ndarray, watched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest cosine of each candidate's text (c, d) with one watched (n, d), and the mean of the last RECENT."""
    if candidates.shape[1] != watched.shape[1]:  # no film of the one or of the other has a text
        return np.full(len(candidates), np.nan), np.full(len(candidates), np.nan)
    cosines = candidates @ watched.T
    recent = candidates @ watched[-RECENT:].mean(axis=0)
    known = candidates.any(axis=1)
    return np.where(known, cosines.max(axis=1), np.nan), np.where(known, recent, np.nan)


def share_of(candidates: np.ndarray, watched: np.ndarray) -> np.ndarray:
    """The share of the films watched, of those where it is known, that have each candidate's word (c,)."""
    candidates, watched, most = beside(candidates, watched, "")
    counts = np.bincount(watched, minlength=most).astype(float)
    counts[0] = np.nan
    known = np.count_nonzero(watched)
    share: np.ndarray = counts[candidates] / known if known else np.full(len(candidates), np.nan)
    return share


def typical(values: np.ndarray, liked: np.ndarray) -> float:
    """The mean over the films liked of what is known (above 0); NaN where nothing is."""
    known = values[liked & (values > 0)]
    return float(known.mean()) if len(known) else float("nan")


def last_similar(candidates: np.ndarray, watched: Watched) -> np.ndarray:
    """When a film was last watched that shares half of all genres of the two: seconds (c,), NaN for never."""
    asked, of_asked = np.unique(candidates, return_inverse=True)  # many films have the same genres
    seen, of_seen = np.unique(watched.genres, return_inverse=True)
    latest = np.full(len(seen), -np.inf)
    np.maximum.at(latest, of_seen, watched.times)
    both, either = np.bitwise_count(asked[:, None] & seen), np.bitwise_count(asked[:, None] | seen)
    last = np.where((2 * both >= either) & (both > 0), latest, -np.inf).max(axis=1)
    return np.where(np.isfinite(last), last, np.nan)[of_asked]


def of_one_user(inputs: pd.DataFrame) -> Iterator[tuple[np.ndarray, int]]:
    """Rows of one user, and the first of them: 500 candidates are one user's.

    They have the same mean and hold the very same lists. An object is told by its id only while it lives, and a column
    of Arrow's makes a new one each time that it is read, so all are held until the rows are divided.
    """
    held = {name: list(inputs[name]) for name in USER_COLUMNS if inputs[name].dtype.kind == "O"}  # else no lists
    same = pd.DataFrame({name: np.fromiter(map(id, values), np.int64, len(values)) for name, values in held.items()})
    same["mean"] = floats(inputs["user_mean_rating"])
    group = same.groupby(list(same.columns), sort=False, dropna=False).ngroup().to_numpy()
    _, first = np.unique(group, return_index=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=len(first)))
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


def none_of(words: np.ndarray) -> Any:
    """What stands for no word: "", or 0 where words are numbers."""
    return "" if words.dtype == object else 0


def whole(values: np.ndarray) -> np.ndarray:
    """Numbers as int64, 0 for NaN."""
    return np.where(np.isnan(values), 0, values).astype(np.int64)


def floats(values: Any) -> np.ndarray:
    """Numbers as float64 (n,), NaN for none."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":  # as of films in memory: pandas would take longer
        return values.astype(np.float64)
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
