"""What a user has rated, as the weights that linear channels multiply: from history or online alike."""

from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.columns import integers, microseconds, ragged
from models.config import ModelConfig
from models.ids import Ids


class HistoryConfig(ModelConfig):
    """How a channel looks at a user's history."""

    history: str
    """The user feature that lists the films rated, oldest first: the latest 50, or all."""
    recency: float
    """The film n places before the last one weighs exp(-n / recency); 0 for equal weights."""


def watched(users: pa.Table, config: HistoryConfig, films: Ids) -> sparse.csr_matrix:
    """Each user's films as weights (n, m) float32; a film rated twice counts as of its last time."""
    values, offsets = ragged(users, config.history)
    user = np.repeat(np.arange(users.num_rows), np.diff(offsets))
    back = offsets[1:][user] - 1 - np.arange(len(values))  # 0 for the last film
    row = films.rows(values)
    known = row >= 0
    user, row, back = user[known][::-1], row[known][::-1], back[known][::-1]
    _, once = np.unique(user * len(films) + row, return_index=True)  # the first from the end
    weight = np.exp(-back[once] / config.recency) if config.recency else np.ones(len(once))
    starts = np.searchsorted(user[once], np.arange(users.num_rows + 1))
    return sparse.csr_matrix((weight.astype(np.float32), row[once], starts), (users.num_rows, len(films)))


def rated(events: pa.Table, most: int = 0) -> tuple[sparse.csr_matrix, Ids, Ids]:
    """Who rated what: a matrix (users, m) of zeros and ones, its users and its films, both ascending.

    Of users with more than `most` ratings only the latest so many count; 0 for all.
    """
    users, films = Ids(np.unique(integers(events, "user_id"))), Ids(np.unique(integers(events, "movie_id")))
    user = users.rows(integers(events, "user_id")).astype(np.int32)
    film = films.rows(integers(events, "movie_id")).astype(np.int32)
    if most:
        kept = latest(user, microseconds(events), most)
        user, film = user[kept], film[kept]
    seen = sparse.csr_matrix((np.ones(len(user), np.float32), (user, film)), (len(users), len(films)))
    seen.data[:] = 1.0  # a film rated twice counts once
    return seen, users, films


def latest(user: np.ndarray, event_times: np.ndarray, most: int) -> np.ndarray:
    """Whether each event (n,) is among its user's latest `most`; equal moments in the order given."""
    kept = np.ones(len(user), bool)
    count = np.bincount(user)
    many = np.flatnonzero(count[user] > most)
    many = many[np.lexsort((event_times[many], user[many]))]
    # place of each event from the end of its user's
    ends = np.flatnonzero(np.diff(user[many], append=-1))
    kept[many] = ends[np.searchsorted(ends, np.arange(len(many)))] - np.arange(len(many)) < most
    return kept


def in_order(events: pa.Table, films: Ids) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, film row and moment (n,) of each event, by user and time; equal moments in the order given."""
    user, event_time = integers(events, "user_id"), microseconds(events)
    order: Any = np.lexsort((event_time, user))
    return user[order], films.rows(integers(events, "movie_id"))[order], event_time[order]
