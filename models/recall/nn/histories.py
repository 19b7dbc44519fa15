"""Whole rating histories as flat arrays, and the windows of them that a sequence model is trained on.

Strictly point in time: what a user chose at one second is predicted from what they rated before that second alone,
however many ratings share it, as the feature store would answer.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.columns import ragged
from models.ids import Ids
from models.recall.nn.context import request_times

ROUND = 8
"""Batches are padded to a multiple of this, so that memory is reused for few shapes."""


class Histories(NamedTuple):
    """A batch of histories, oldest first, each padded at its end."""

    films: Tensor
    """(b, t) int64 rows of the film table; 0 is padding or unknown."""
    ratings: Tensor
    """(b, t) int64 half stars, 0 unknown."""
    times: Tensor
    """(b, t) int64 seconds since 1970."""
    requested: Tensor
    """(b, t) int64 seconds: when the film after this one was chosen; at the last position, when is asked."""


@dataclass(frozen=True)
class Flat:
    """Histories of n users, one after another; rows are shifted by one, 0 is a film unknown here."""

    films: np.ndarray
    """(e,) int64 rows of the film table."""
    ratings: np.ndarray
    """(e,) int64 half stars."""
    times: np.ndarray
    """(e,) int64 seconds."""
    offsets: np.ndarray
    """(n + 1,) where each user's events start."""
    requested: np.ndarray
    """(e,) int64 seconds: the next later moment of the user, or when is asked after the last."""
    before: np.ndarray
    """(e,) int64: the last event strictly before each event's second, -1 where the user has none."""


def flatten(users: pa.Table, films: Ids) -> Flat:
    """The histories in a table of recall_history_v1, films that are unknown here left out."""
    ids, offsets = ragged(users, "user_seen_movie_ids")
    rows = films.rows(ids.astype(np.int64)) if len(ids) else np.empty(0, np.int64)
    known = rows >= 0
    offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
    ratings = np.nan_to_num(ragged(users, "user_seen_ratings")[0].astype(np.float32)[known])
    times = ragged(users, "user_seen_timestamps")[0].astype(np.int64)[known]
    user = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    e = np.arange(len(user))
    first = np.ones(len(user), bool)  # of its second
    first[1:] = (user[1:] != user[:-1]) | (times[1:] != times[:-1])
    start = np.maximum.accumulate(np.where(first, e, 0))
    before = np.where(start > offsets[user], start - 1, -1)
    # the first event of the next second, e beyond the end
    after = np.minimum.accumulate(np.where(np.append(first[1:], True), np.append(e[1:], len(e)), len(e))[::-1])[::-1]
    is_last = after >= offsets[user + 1]
    requested = np.where(is_last, request_times(users)[user], times[np.minimum(after, len(e) - 1)]) if len(e) else times
    return Flat(rows[known] + 1, (2 * ratings).round().astype(np.int64), times, offsets, requested, before)


def windows(flat: Flat, length: int, rng: np.random.Generator) -> np.ndarray:
    """Windows (w, 2) of flat positions [start, end), at most `length` events each: every event is a target in one.

    Long histories are cut from their end backwards; a window overlaps the next by up to a quarter, drawn anew each
    time, so that the cuts fall elsewhere in each epoch.
    """
    found = []
    for start, end in pairwise(flat.offsets.tolist()):
        stop = end
        while stop - start > length:
            found.append((stop - length, stop))
            stop -= length - 1 - int(rng.integers(length // 4 + 1))
        if stop - start > 1:
            found.append((start, stop))
    return np.array(found, np.int64).reshape(-1, 2)


def batches(flat: Flat, length: int, positions: int, rng: np.random.Generator) -> list[np.ndarray]:
    """An epoch's windows in batches (b, 2) of like length, about `positions` events each, in random order."""
    cut = windows(flat, length, rng)
    size = cut[:, 1] - cut[:, 0]
    cut = cut[np.argsort(size + rng.uniform(-ROUND, ROUND, len(cut)))]
    parts, first, widest = [], 0, 0
    for i, events in enumerate((cut[:, 1] - cut[:, 0]).tolist()):
        widest = max(widest, events)
        if i > first and widest * (i - first + 1) > positions:
            parts.append(cut[first:i])
            first, widest = i, events
    parts.append(cut[first:])
    return [parts[i] for i in rng.permutation(len(parts)) if len(parts[i])]


def gather(flat: Flat, cut: np.ndarray, device: torch.device) -> Histories:
    """The events [start, end) of windows (b, 2), padded to one width (b, t)."""
    size = cut[:, 1] - cut[:, 0]
    width = -(-int(size.max(initial=1)) // ROUND) * ROUND
    place = np.arange(width)
    held = place < size[:, None]
    at = np.where(held, cut[:, :1] + place, 0)
    columns = (flat.films, flat.ratings, flat.times, flat.requested)
    return Histories(*(torch.from_numpy(np.where(held, c[at] if len(c) else 0, 0)).to(device) for c in columns))


def targets(flat: Flat, cut: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """What is predicted in windows (b, 2): window, position asked from and film row, (p,) each."""
    window = np.repeat(np.arange(len(cut)), cut[:, 1] - cut[:, 0])
    event = np.concatenate([np.arange(start, end) for start, end in cut.tolist()])
    place = flat.before[event] - cut[window, 0]
    able = place >= 0
    found = (window[able], place[able], flat.films[event[able]])
    return tuple(torch.from_numpy(column).to(device) for column in found)  # type: ignore[return-value]


def seen(films: Tensor, window: Tensor, place: Tensor) -> Tensor:
    """The films (p, t) of windows (b, t) up to each position asked from, filled up with the window's first."""
    past = films[window]
    known = torch.arange(past.shape[1], device=past.device) <= place[:, None]
    return torch.where(known, past, past[:, :1])


def latest(flat: Flat, length: int) -> np.ndarray:
    """Each user's last `length` events as windows (n, 2); start = end where there is none."""
    return np.stack([np.maximum(flat.offsets[1:] - length, flat.offsets[:-1]), flat.offsets[1:]], axis=1)
