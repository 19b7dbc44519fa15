"""Several channels into one list: reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from dataclasses import dataclass

import numpy as np

RRF = 60  # the paper's constant


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


def merge(channels: dict[str, tuple[np.ndarray, np.ndarray]], weights: dict[str, float], size: int) -> Candidates:
    """Fuse the channels' (ids, scores): a film scores sum over channels of weight / (60 + rank).

    Equal sums are settled by movie id, so the order never hangs on how the channels are listed.
    """
    n = len(next(iter(channels.values()))[0])
    merged = Candidates(
        ids=np.full((n, size), -1, np.int64),
        scores=np.full((n, size), -np.inf, np.float32),
        ranks={name: np.zeros((n, size), np.int64) for name in channels},
        values={name: np.zeros((n, size), np.float32) for name in channels},
    )
    for i in range(n):
        _merge_one(i, channels, weights, size, merged)
    return merged


def _merge_one(
    i: int, channels: dict[str, tuple[np.ndarray, np.ndarray]], weights: dict[str, float], size: int, out: Candidates
) -> None:
    named = {name: ids[i][ids[i] >= 0] for name, (ids, _) in channels.items()}
    films = np.unique(np.concatenate(list(named.values())))
    fused = np.zeros(len(films))
    ranks = {}
    for name, ids in named.items():
        at = np.searchsorted(films, ids)
        ranks[name] = np.zeros(len(films), np.int64)
        ranks[name][at] = np.arange(1, len(ids) + 1)
        fused[at] += weights[name] / (RRF + np.arange(1, len(ids) + 1))
    order = np.argsort(-fused, kind="stable")[:size]
    out.ids[i, : len(order)] = films[order]
    out.scores[i, : len(order)] = fused[order]
    for name, (_, scores) in channels.items():
        rank = ranks[name][order]
        out.ranks[name][i, : len(order)] = rank
        top = scores[i, 0] if scores.shape[1] else 1.0
        share = scores[i, np.maximum(rank, 1) - 1] / top if top > 0 else np.zeros(len(order), np.float32)
        out.values[name][i, : len(order)] = np.where(rank > 0, share, 0.0)
