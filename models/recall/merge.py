"""Several channels into one list: reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.recall.base import top
from models.recall.merging import Merging

SLICE = 128
"""Users merged at a time: memory is so many rows of the films that any of them is offered."""

ChannelLists = dict[str, tuple[np.ndarray, np.ndarray]]
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


def merge(channels: ChannelLists, merging: Merging, size: int, few: np.ndarray | None = None) -> Candidates:
    """Fuse what the channels brought to the `size` films of the highest sums.

    `few` (n,) tells who is not warm yet and has shares of their own; nobody, where it is left out. A channel's films
    beyond its quota count as not named. Equal sums are settled by movie id, so the order never hangs on how the
    channels are listed.
    """
    n = len(next(iter(channels.values()))[0])
    few = np.zeros(n, bool) if few is None else few
    if n <= SLICE:
        return _merge(channels, merging, size, few)
    parts = []
    for start in range(0, n, SLICE):
        users = slice(start, start + SLICE)
        cut = {name: (ids[users], scores[users]) for name, (ids, scores) in channels.items()}
        parts.append(_merge(cut, merging, size, few[users]))
    return Candidates(
        ids=np.concatenate([part.ids for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        ranks={name: np.concatenate([part.ranks[name] for part in parts]) for name in channels},
        values={name: np.concatenate([part.values[name] for part in parts]) for name in channels},
    )


def _merge(channels: ChannelLists, merging: Merging, size: int, few: np.ndarray) -> Candidates:
    """All lists side by side (n, l), as an answer for one user is mostly the number of numpy's calls."""
    films, film_of = offered([ids for ids, _ in channels.values()])
    n, m = len(few), len(films)
    widths = [ids.shape[1] for ids, _ in channels.values()]
    channel, first = np.repeat(np.arange(len(widths)), widths), np.cumsum([0, *widths])[:-1]
    rank = np.arange(1, len(channel) + 1) - first[channel]
    weight, quota = (
        np.stack(of, axis=1) for of in zip(*(merging.weights_and_quotas(name, few) for name in channels), strict=True)
    )
    user, at = np.nonzero((film_of >= 0) & (rank <= quota[:, channel]))
    film, by = film_of[user, at], channel[at]
    fused = np.bincount(user * m + film, weight[user, by] / (merging.rrf + rank[at]), n * m).reshape(n, m)
    # sums of the same parts in another order differ in their last digits
    rows, scores = top(np.where(fused > 0, fused.round(12), -np.inf), size)
    place = np.zeros((len(widths), n, m + 1), np.int16)  # of no film, the last, 0
    place[by, user, film] = rank[at]
    ranks = place[:, np.arange(n)[:, None], rows].astype(np.int64)
    share = over_best(np.concatenate([scores for _, scores in channels.values()], axis=1), channel, first)
    values = share[np.arange(n)[:, None], np.where(ranks > 0, first[:, None, None] + ranks - 1, len(channel))]
    return Candidates(
        np.append(films, -1)[rows], scores, dict(zip(channels, ranks, strict=True)),
        dict(zip(channels, values, strict=True)),
    )  # fmt: skip


def offered(lists: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Every film of some list, ascending, and the lists side by side (n, l) as places among these, -1 for none."""
    ids = np.concatenate(lists, axis=1)
    code, known = pd.factorize(np.append(ids, -1))  # by a hash, which takes a third of a sort
    order = np.argsort(known)  # -1, which is always there, comes first
    place = np.empty(len(known), np.int64)
    place[order] = np.arange(-1, len(known) - 1)
    return known[order[1:]], place[code[:-1]].reshape(ids.shape)


def over_best(scores: np.ndarray, channel: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Scores (n, l) over the best one of their channel, 0 where that is not positive; and a last column of zeros."""
    held = np.zeros((len(scores), len(channel) + 1), np.float32)
    held[:, :-1] = scores
    best = held[:, first][:, channel]
    held[:, :-1] = np.where(best > 0, scores / np.where(best > 0, best, 1.0), 0.0)
    return held
