"""What a user and a film have to do with each other: the one function behind the on-demand view `user_movie_cross`.

It runs on historical rows when training samples are made and on one user times 500 films when a request is served,
so it works on whole columns. It lies outside on_demand.py because Feast serialises the view's own function by value
and this one, imported, by reference.
"""

import numpy as np
import pandas as pd


def cross_features(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return the crossed features of `inputs`, row by row, as float64 with NaN where an input is unknown.

    `inputs` holds user_genre_affinity and user_genre_share (lists by genre_index), user_mean_rating, movie_genres
    (lists of genre_index), movie_mean_rating, movie_count_ratings and movie_count_ratings_90d.
    """
    row, genre = _flatten(inputs["movie_genres"])
    popularity = np.log1p(_floats(inputs["movie_count_ratings"]))
    return pd.DataFrame(
        {
            "cross_genre_affinity": _mean_at(inputs["user_genre_affinity"], row, genre),
            "cross_genre_share": _mean_at(inputs["user_genre_share"], row, genre),
            "cross_mean_difference": _floats(inputs["movie_mean_rating"]) - _floats(inputs["user_mean_rating"]),
            "cross_log_popularity": popularity,
            "cross_popularity_trend": np.log1p(_floats(inputs["movie_count_ratings_90d"])) - popularity,
        }
    )


def _floats(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)


def _is_list(value: object) -> bool:
    return isinstance(value, (list, np.ndarray)) and len(value) > 0


def _flatten(lists: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Every (row, value) of a column of lists, a missing list having none."""
    values = lists.to_numpy()
    lengths = np.array([len(value) if _is_list(value) else 0 for value in values], dtype=np.int64)
    filled = [np.asarray(value, dtype=np.int64) for value in values if _is_list(value)]
    return np.repeat(np.arange(len(values)), lengths), np.concatenate([np.empty(0, np.int64), *filled])


def _mean_at(vectors: pd.Series, row: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Mean of each row's vector at the positions that belong to the row; NaN where either is missing."""
    rows = vectors.to_numpy()
    known = np.array([_is_list(value) for value in rows], dtype=bool)
    width = max((len(value) for value in rows[known]), default=1)
    matrix = np.full((len(rows), width), np.nan)
    if known.any():
        matrix[known] = np.stack(list(rows[known]))
    inside = position < width  # a genre that came after the vector was made counts for nothing
    row, position = row[inside], position[inside]
    total = np.bincount(row, weights=matrix[row, position], minlength=len(rows))
    count = np.bincount(row, minlength=len(rows))
    return np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)
