"""What a user and a film have to do with each other: the one function behind the on-demand view `user_movie_cross`.

It runs on historical rows when training samples are made and on one user times 500 films when a request is served,
so it works on whole columns. It lies outside on_demand.py because Feast serialises the view's own function by value
and this one, imported, by reference.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from feature_repo.affinity import floats, is_list

CROSS = (
    "cross_genre_affinity", "cross_genre_share", "cross_mean_difference", "cross_log_popularity",
    "cross_popularity_trend",
)  # fmt: skip
USER_COLUMNS = ("user_genre_affinity", "user_genre_share", "user_mean_rating")
FILM_COLUMNS = ("movie_genres", "movie_mean_rating", "movie_count_ratings", "movie_count_ratings_90d")


class CrossedUsers:
    """What crossing reads of some users, a row each."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """`columns` are user_genre_affinity and user_genre_share (lists by genre_index), user_mean_rating."""
        self.affinity, self.share = matrix(columns["user_genre_affinity"]), matrix(columns["user_genre_share"])
        self.mean = floats(columns["user_mean_rating"])


class CrossedFilms:
    """What crossing reads of some films, a row each."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """`columns` are movie_genres (lists of genre_index), movie_mean_rating, movie_count_ratings and
        movie_count_ratings_90d."""
        self.genres = indexes(columns["movie_genres"])
        self._of_moment(columns)

    def take(self, rows: np.ndarray, columns: Mapping[str, Any]) -> "CrossedFilms":
        """The films of some rows, -1 for one of which nothing is known, with numbers of another moment in `columns`."""
        new = object.__new__(CrossedFilms)
        new.genres = np.where(rows[:, None] >= 0, self.genres[rows], -1) if len(self.genres) else self.genres[rows[:0]]
        new._of_moment(columns)
        return new

    def _of_moment(self, columns: Mapping[str, Any]) -> None:
        self.mean = floats(columns["movie_mean_rating"])
        self.popularity = np.log1p(floats(columns["movie_count_ratings"]))
        self.trend = np.log1p(floats(columns["movie_count_ratings_90d"])) - self.popularity


def cross_features(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return the crossed features of `inputs`, row by row, as float64 with NaN where an input is unknown.

    `inputs` holds the columns of CrossedUsers and of CrossedFilms.
    """
    columns = {str(name): inputs[name].to_numpy() for name in inputs}
    each = np.arange(len(inputs))
    return pd.DataFrame(cross(CrossedUsers(columns), CrossedFilms(columns), each, each), columns=list(CROSS))


def cross(users: CrossedUsers, films: CrossedFilms, user: np.ndarray, film: np.ndarray) -> np.ndarray:
    """CROSS (p, len(CROSS)) float64 of pairs: rows `user` (p,) of the users and `film` (p,) of the films.

    It is what `cross_features` works out for each row; callers who hold films in memory need not unpack them again.
    """
    genres = films.genres.take(film, axis=0)
    return np.stack(
        [
            _mean_at(users.affinity, user, genres),
            _mean_at(users.share, user, genres),
            films.mean[film] - users.mean[user],
            films.popularity[film],
            films.trend[film],
        ],
        axis=1,
    )


def matrix(lists: Any) -> np.ndarray:
    """Lists of one length as float64 (n, w), NaN for a missing one."""
    known = np.array([is_list(value) for value in lists], dtype=bool)
    width = max((len(value) for value in lists if is_list(value)), default=1)
    found = np.full((len(lists), width), np.nan)
    if known.any():
        found[known] = np.stack([value for value in lists if is_list(value)])
    return found


def indexes(lists: Any) -> np.ndarray:
    """Lists of indexes as int64 (n, w), -1 where there are fewer."""
    lengths = np.array([len(value) if is_list(value) else 0 for value in lists], dtype=np.int64)
    found = np.full((len(lists), lengths.max(initial=0)), -1, np.int64)
    filled = [np.asarray(value, dtype=np.int64) for value in lists if is_list(value)]
    found[np.arange(found.shape[1]) < lengths[:, None]] = np.concatenate([np.empty(0, np.int64), *filled])
    return found


def _mean_at(vectors: np.ndarray, row: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Mean of vectors[row] (p, w) at each row's positions (p, g); NaN where there is no vector or no position."""
    held = (position >= 0) & (position < vectors.shape[1])  # a genre that came after the vector was made counts not
    values = np.where(held, vectors[row[:, None], np.where(held, position, 0)], 0.0)
    each = np.ones(position.shape[1])
    count = held @ each
    return np.divide(values @ each, count, out=np.full(len(row), np.nan), where=count > 0)
