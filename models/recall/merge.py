"""Several channels into one list: reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.ids import Ids
from models.recall.base import best
from models.recall.merging import Merging

SLICE = 128
"""Users merged at a time: memory is so many rows of the films that any of them is offered."""

Lists = dict[str, tuple[np.ndarray, np.ndarray]]
"""Channel to its ids (n, k) and scores (n, k), best first, -1 where there are fewer."""


@dataclass(frozen=True)
class Candidates:
    """Merged candidates of n users: ids (n, c), fused scores (n, c), and each channel's rank and score of them."""

    ids: np.ndarray
    """(n, c) int64, best first, -1 where there are fewer."""
    scores: np.ndarray
    """(n, c) float32, -inf where there are fewer."""
    ranks: dict[str, np.ndarray]
    """Channel to (n, c) int64, 1 for its first film, 0 where it did not name the film."""
    values: dict[str, np.ndarray]
    """Channel to (n, c) float32, its own score over its best one, 0 where it did not name the film."""


def merge(channels: Lists, merging: Merging, size: int, few: np.ndarray | None = None) -> Candidates:
    """Fuse what the channels brought to the `size` films of the highest sums.

    `few` (n,) tells who is not warm yet and has shares of their own; nobody, where it is left out. A channel's films
    beyond its quota count as not named. Equal sums are settled by movie id, so the order never hangs on how the
    channels are listed.
    """
    n = len(next(iter(channels.values()))[0])
    few = np.zeros(n, bool) if few is None else few
    parts = []
    for start in range(0, max(n, 1), SLICE):  # no user: one empty slice
        users = slice(start, start + SLICE)
        cut = {name: (ids[users], scores[users]) for name, (ids, scores) in channels.items()}
        parts.append(_merge(cut, merging, size, few[users]))
    return Candidates(
        ids=np.concatenate([part.ids for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        ranks={name: np.concatenate([part.ranks[name] for part in parts]) for name in channels},
        values={name: np.concatenate([part.values[name] for part in parts]) for name in channels},
    )


def _merge(channels: Lists, merging: Merging, size: int, few: np.ndarray) -> Candidates:
    films = Ids(offered([ids for ids, _ in channels.values()]))
    fused = np.zeros((len(few), len(films)))
    places = {}
    for name, (ids, _) in channels.items():
        weight, quota = merging.shares(name, few)
        place = placed(ids, films)
        place[place > quota[:, None]] = 0
        user, film = np.nonzero(place)
        fused[user, film] += weight[user] / (merging.rrf + place[user, film])
        places[name] = place
    # sums of the same parts in another order differ in their last digits
    fused = np.where(np.any([place > 0 for place in places.values()], axis=0), fused.round(12), -np.inf)
    ids, scores = best(fused, size, films)
    rows = films.rows(ids)
    user, at = np.arange(len(few))[:, None], np.maximum(rows, 0)
    ranks = {
        name: np.where(rows >= 0, place[user, at], 0).astype(np.int64)
        if len(films)
        else np.zeros((len(few), size), np.int64)
        for name, place in places.items()
    }
    return Candidates(ids, scores, ranks, {name: _values(channels[name][1], ranks[name]) for name in channels})


def offered(lists: list[np.ndarray]) -> np.ndarray:
    """Every film of some list (n, k), ascending."""
    films = np.sort(pd.unique(np.concatenate([ids.ravel() for ids in lists])))
    return films[films >= 0]


def placed(ids: np.ndarray, films: Ids) -> np.ndarray:
    """Lists (n, k) as ranks of the films (n, m) int16: 1 for the first of a list, 0 for films not on it."""
    ranks = np.zeros((len(ids), len(films)), np.int16)
    user, place = np.nonzero(ids >= 0)
    ranks[user, films.rows(ids[user, place])] = place + 1
    return ranks


def _values(scores: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """A channel's scores (n, k) of the films it ranks so (n, c), over its best one; 0 where that is not positive."""
    if not scores.shape[1]:
        return np.zeros(ranks.shape, np.float32)
    top = scores[:, :1]
    share = scores[np.arange(len(scores))[:, None], np.maximum(ranks, 1) - 1] / np.where(top > 0, top, 1.0)
    return np.where((ranks > 0) & (top > 0), share, 0.0).astype(np.float32)
