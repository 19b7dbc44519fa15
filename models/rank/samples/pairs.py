"""Users and candidates as pairs: what Feast tells of each, and the crossed features of both.

Training, evaluation and serving make their pairs here. The crossed features are those of Feast's on-demand views: the
same functions, called on whole columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from feature_repo import affinity, crossing
from feature_repo.request import rank_weight, request_time
from models.columns import arrays, integers, numbers
from models.ids import Ids
from models.recall.merge import Candidates
from models.recall.nn.context import request_times


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


@dataclass(frozen=True)
class FilmFeatures:
    """Films as crossing reads them, row by row."""

    attributes: affinity.FilmAttributes
    crossed: crossing.CrossedFilms

    @classmethod
    def of(cls, table: pa.Table) -> "FilmFeatures":
        """The films of a table."""
        columns = {name: column(table, name) for name in (*affinity.FILM_COLUMNS, *crossing.FILM_COLUMNS)}
        return cls(affinity.FilmAttributes(columns), crossing.CrossedFilms(columns))


class PreparedFilms:
    """What is known of all films, for those that users watched; it never changes."""

    def __init__(self, catalogue: pa.Table, alone: bool = False) -> None:
        """`alone`: candidates, too, are always rows of this catalogue, so that its words can be numbers of its own."""
        self.ids = Ids(integers(catalogue, "movie_id"))
        self.films = FilmFeatures.of(catalogue)
        if alone:
            self.films = replace(self.films, attributes=self.films.attributes.numbered())

    def shown(self, films: pa.Table) -> FilmFeatures:
        """The films of a table of many moments: facts from here, where they were known by then, numbers from there."""
        known = films["movie_index"].is_valid().to_numpy()
        rows = np.where(known, self.ids.rows(integers(films, "movie_id")), -1)
        columns = {name: numbers(films, name) for name in crossing.FILM_COLUMNS if name != "movie_genres"}
        return FilmFeatures(self.films.attributes.take(rows), self.films.crossed.take(rows, columns))

    def watched(self, users: pa.Table, row: int, seen: Iterable[list[np.ndarray]]) -> affinity.Watched | None:
        """The last films of one user's row, given the columns of films, ratings and seconds; None without any."""
        films, ratings, times = (column[row] for column in seen)
        if not len(films):
            return None
        facts = self.films.attributes.facts(self.ids.rows(films[-affinity.WATCHED :]))
        return affinity.Watched({"user_seen_ratings": ratings, "user_seen_timestamps": times, **facts})


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column as numpy: lists as one array a row, a null one as None; numbers with NaN; text as objects."""
    kind = table.schema.field(name).type
    if pa.types.is_list(kind) and not pa.types.is_string(kind.value_type):
        valid = table[name].is_valid().to_numpy() if table[name].null_count else np.ones(table.num_rows, bool)
        out = np.empty(table.num_rows, dtype=object)
        for row, values in enumerate(arrays(table, name)):
            out[row] = values if valid[row] else None
        return out
    if pa.types.is_list(kind) or pa.types.is_string(kind) or pa.types.is_null(kind):
        return np.array([*table[name].to_pylist(), None], dtype=object)[:-1]  # so that lists stay lists
    return numbers(table, name)


def make_pairs(
    users: pa.Table, films: pa.Table, user: np.ndarray, film: np.ndarray, recall: np.ndarray, facts: PreparedFilms,
    prepared: FilmFeatures | None = None,
) -> Pairs:  # fmt: skip
    """The pairs of rows `user` and `film` (p,). `prepared` are `films` for crossing, where they are kept."""
    prepared = prepared or FilmFeatures.of(films)
    of_users = {name: column(users, name) for name in crossing.USER_COLUMNS}
    crossed = crossing.cross(crossing.CrossedUsers(of_users), prepared.crossed, user, film).astype(np.float32)
    named = {name: crossed[:, n] for n, name in enumerate(crossing.CROSS)}
    return Pairs(users, films, user, film, named | _affinity(users, user, film, facts, prepared.attributes), recall)


def _affinity(
    users: pa.Table, user: np.ndarray, film: np.ndarray, facts: PreparedFilms, films: affinity.FilmAttributes
) -> dict[str, np.ndarray]:
    """The features of history and moment, worked out user by user."""
    seen = [arrays(users, name) for name in ("user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps")]
    requested, mean = request_times(users).astype(np.float64), numbers(users, "user_mean_rating")
    found = np.full((len(user), len(affinity.AFFINITY)), np.nan, np.float32)
    order = np.argsort(user, kind="stable")
    starts = np.searchsorted(user[order], np.arange(users.num_rows + 1))
    for one, (start, end) in enumerate(pairwise(starts.tolist())):
        rows = order[start:end]
        watched = facts.watched(users, one, seen) if len(rows) else None
        if watched is not None and watched.n:
            found[rows] = affinity.affinity(watched, films, film[rows], np.full(len(rows), requested[one]), mean[one])
    last = np.array([times[-1] if len(times) else np.nan for times in seen[2]], np.float64)
    of_request = {name: values.astype(np.float32)[user] for name, values in request_time(requested, last).items()}
    return {name: found[:, n] for n, name in enumerate(affinity.AFFINITY)} | of_request


def recall_columns(candidates: Candidates, channels: list[str]) -> np.ndarray:
    """What recall says of each candidate (n, c, 1 + 2 * channels): the merged rank, and a channel's rank and score.

    A rank r enters as 10 / (10 + r), 0 where the channel did not name the film.
    """
    n, c = candidates.ids.shape
    out = np.empty((n, c, 1 + 2 * len(channels)), np.float32)
    out[:, :, 0] = rank_weight(np.arange(1, c + 1))
    for place, name in enumerate(channels):
        out[:, :, 1 + 2 * place] = rank_weight(candidates.ranks[name])
        out[:, :, 2 + 2 * place] = candidates.values[name]
    return out
