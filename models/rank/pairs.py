"""Users and candidates as pairs: what Feast tells of each, and the crossed features of both.

Training, evaluation and serving make their pairs here. The crossed features are those of Feast's on-demand views: the
same functions, called on whole columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo import taste
from feature_repo.crossing import cross_features
from feature_repo.request import rank_weight, request_features
from models.columns import arrays, integers, numbers
from models.ids import Ids
from models.recall.context import asked_at
from models.recall.merge import Candidates

MOMENT = ("request_hour", "request_weekday", "request_gap_days")


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows of two tables, with what they have to do with each other."""

    users: pa.Table
    films: pa.Table
    user: np.ndarray
    """(p,) int64 row of `users`."""
    film: np.ndarray
    """(p,) int64 row of `films`."""
    crossed: dict[str, np.ndarray]
    """Crossed feature to (p,) float32, NaN where it is unknown."""
    recall: np.ndarray
    """(p, 1 + 2 * channels) float32: the merged rank as a weight, then each channel's weight and score."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        crossed = {name: values[rows] for name, values in self.crossed.items()}
        return replace(self, user=self.user[rows], film=self.film[rows], crossed=crossed, recall=self.recall[rows])


class Facts:
    """What is known of all films, for those that users watched; it never changes."""

    def __init__(self, catalogue: pa.Table) -> None:
        self.ids = Ids(integers(catalogue, "movie_id"))
        self.films = films_of(catalogue)

    def watched(self, users: pa.Table, row: int, seen: Iterable[list[np.ndarray]]) -> taste.Watched | None:
        """The last films of one user's row, given the columns of films, ratings and seconds; None without any."""
        films, ratings, times = (column[row] for column in seen)
        if not len(films):
            return None
        facts = self.films.facts(self.ids.rows(films[-taste.WATCHED :]))
        return taste.Watched({"user_seen_ratings": ratings, "user_seen_timestamps": times, **facts})


def films_of(table: pa.Table) -> taste.Films:
    """The film columns that crossing reads."""
    return taste.Films({name: column(table, name) for name in taste.FILM_COLUMNS})


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column as numpy: lists as one array a row, a null one as None; numbers with NaN; text as objects."""
    kind = table.schema.field(name).type
    if pa.types.is_list(kind) and not pa.types.is_string(kind.value_type):
        valid = table[name].is_valid().to_numpy()
        out = np.empty(table.num_rows, dtype=object)
        for row, values in enumerate(arrays(table, name)):
            out[row] = values if valid[row] else None
        return out
    if pa.types.is_list(kind) or pa.types.is_string(kind) or pa.types.is_null(kind):
        return np.array([*table[name].to_pylist(), None], dtype=object)[:-1]  # so that lists stay lists
    return numbers(table, name)


def make_pairs(
    users: pa.Table, films: pa.Table, user: np.ndarray, film: np.ndarray, recall: np.ndarray, facts: Facts,
    prepared: taste.Films | None = None,
) -> Pairs:  # fmt: skip
    """The pairs of rows `user` and `film` (p,). `prepared` are the crossing columns of `films`, where they are kept."""
    frame = {name: column(users, name)[user] for name in ("user_genre_affinity", "user_genre_share")}
    frame |= {"user_mean_rating": numbers(users, "user_mean_rating")[user]}
    frame |= {"movie_genres": column(films, "movie_genres")[film]}
    counts = ("movie_mean_rating", "movie_count_ratings", "movie_count_ratings_90d")
    frame |= {name: numbers(films, name)[film] for name in counts}
    crossed = {str(n): values.to_numpy(np.float32) for n, values in cross_features(pd.DataFrame(frame)).items()}
    return Pairs(users, films, user, film, crossed | _taste(users, films, user, film, facts, prepared), recall)


def _taste(
    users: pa.Table, films: pa.Table, user: np.ndarray, film: np.ndarray, facts: Facts, prepared: taste.Films | None
) -> dict[str, np.ndarray]:
    """The features of history and moment, worked out user by user."""
    prepared = prepared or films_of(films)
    seen = [arrays(users, name) for name in ("user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps")]
    asked, mean = asked_at(users).astype(np.float64), numbers(users, "user_mean_rating")
    found = np.full((len(user), len(taste.TASTE)), np.nan, np.float32)
    order = np.argsort(user, kind="stable")
    starts = np.flatnonzero(np.diff(user[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(user) else []:
        one = int(user[rows[0]])
        watched = facts.watched(users, one, seen)
        if watched is not None and watched.n:
            found[rows] = taste.taste(watched, prepared, film[rows], np.full(len(rows), asked[one]), mean[one])
    nothing = {"recall_place": 0, "recall_ranks": None, "recall_scores": None}
    moment = request_features(pd.DataFrame({"asked_at": asked, "user_seen_timestamps": seen[2], **nothing}))
    return {name: found[:, n] for n, name in enumerate(taste.TASTE)} | {
        name: moment[name].to_numpy(np.float32)[user] for name in MOMENT
    }


def recall_columns(candidates: Candidates, channels: list[str]) -> np.ndarray:
    """What recall says of each candidate (n, c, 1 + 2 * channels): the merged rank, and a channel's rank and score.

    A rank r enters as 10 / (10 + r), 0 where the channel did not name the film.
    """
    n, c = candidates.ids.shape
    columns = [np.broadcast_to(rank_weight(np.arange(1.0, c + 1)), (n, c))]
    for name in channels:
        columns += [rank_weight(candidates.ranks[name]), candidates.values[name]]
    return np.stack([values.astype(np.float32) for values in columns], axis=2)


def candidate_rows(candidates: Candidates, catalogue: Ids) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of all candidates that the catalogue knows: user (p,), place in the list (p,), catalogue row (p,)."""
    rows = catalogue.rows(candidates.ids)
    user, place = np.nonzero((candidates.ids >= 0) & (rows >= 0))
    return user, place, rows[user, place]
