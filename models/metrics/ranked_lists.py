"""Ranking metrics over the full catalogue, a value a user, and their means with 95% intervals.

HitRate, Recall, NDCG (Järvelin and Kekäläinen 2002, binary gains) and MRR at K, as RecTools and the papers behind
docs/evaluation.md define them; novelty (Zhou et al. 2010) and the popularity-debiased hit rate (Steck 2011). Nothing
is sampled.
"""

from dataclasses import dataclass

import numpy as np

from models.ids import Ids

KS = (10, 50, 500)
SHOWN = (10, 50)
"""Lengths of lists that are looked at as lists: novelty and coverage."""
BETA = 0.5
"""Steck's exponent: what a film weighs falls with the root of its ratings."""

PerUser = dict[str, tuple[np.ndarray, np.ndarray]]
"""Metric to its numerator and its weight (n,) a user; the metric is the sum of the one over that of the other."""


@dataclass(frozen=True)
class Rated:
    """How often each film was rated before the cut-off."""

    films: Ids
    counts: np.ndarray
    """(m,) ratings of `films`."""
    users: int
    """How many users rated anything."""

    def of(self, ids: np.ndarray) -> np.ndarray:
        """Ratings of each film of `ids` (any shape), 0 for one that nobody rated."""
        rows = self.films.rows(ids)
        return np.where(rows >= 0, self.counts[rows], 0) if len(self.films) else np.zeros(ids.shape, int)


def per_user(ids: np.ndarray, targets: list[np.ndarray], rated: Rated) -> PerUser:
    """Every metric of lists `ids` (n, k), best first, -1 for none, against each user's target films."""
    plain = list_metrics(ids, targets)
    ones = np.ones(len(ids))
    return (
        {name: (values, ones) for name, values in plain.items()} | novelty(ids, rated) | debiased(ids, targets, rated)
    )


def list_metrics(ids: np.ndarray, targets: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Metrics (n,) of lists `ids` (n, k), best first, -1 for none, against each user's target films.

    K above the length of the lists counts what the lists hold. A user without targets has no place here.
    """
    hits = np.stack([np.isin(row, wanted) & (row >= 0) for row, wanted in zip(ids, targets, strict=True)])
    sizes = np.array([len(wanted) for wanted in targets])
    place = np.arange(1, ids.shape[1] + 1)
    gains = np.where(hits, 1.0 / np.log2(place + 1), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(place + 1))])
    reciprocal = np.where(hits, 1.0 / place, 0.0)
    found: dict[str, np.ndarray] = {}
    for k in (k for k in KS if k <= ids.shape[1]):
        top = hits[:, :k]
        found[f"hit_rate@{k}"] = top.any(axis=1).astype(float)
        found[f"recall@{k}"] = top.sum(axis=1) / sizes
        found[f"ndcg@{k}"] = gains[:, :k].sum(axis=1) / ideal[np.minimum(sizes, k)]
        found[f"mrr@{k}"] = reciprocal[:, :k].max(axis=1)
    return found


def novelty(ids: np.ndarray, rated: Rated) -> PerUser:
    """Mean self-information -log2 p of the first K films in bits; a user who got no film weighs nothing.

    p is the share of users who rated the film before the cut-off (Zhou et al., Solving the apparent
    diversity-accuracy dilemma of recommender systems, PNAS 2010). A film that nobody rated counts as rated once.
    """
    bits = -np.log2(np.maximum(rated.of(ids), 1) / max(rated.users, 1))
    found: PerUser = {}
    for k in (k for k in SHOWN if k <= ids.shape[1]):
        held = ids[:, :k] >= 0
        found[f"novelty@{k}"] = (
            np.where(held, bits[:, :k], 0.0).sum(axis=1) / np.maximum(held.sum(axis=1), 1),
            held.any(axis=1).astype(float),
        )
    return found


def debiased(ids: np.ndarray, targets: list[np.ndarray], rated: Rated) -> PerUser:
    """Popularity-debiased hit rate: hits among all targets, each film weighing 1 / ratings ** BETA.

    The popularity-stratified recall of Steck, Item popularity and recommendation accuracy (RecSys 2011): what it
    would be if popular films were not the likelier to be rated at all. With one target a user it is the hit rate
    but for the weights; with several, each target stands for itself. A film that nobody rated weighs as one rated once.
    """
    found: PerUser = {}
    weights = [np.maximum(rated.of(wanted), 1) ** -BETA for wanted in targets]
    together = np.array([weight.sum() for weight in weights])
    for k in (k for k in KS if k <= ids.shape[1]):
        held = [np.isin(wanted, row[:k]) & (wanted >= 0) for row, wanted in zip(ids, targets, strict=True)]
        hits = np.array([weight[hit].sum() for weight, hit in zip(weights, held, strict=True)])
        found[f"debiased_hit_rate@{k}"] = (hits, together)
    return found


def coverage(ids: np.ndarray, catalogue: int, k: int) -> float:
    """The share of the catalogue that is among anyone's first `k`."""
    top = ids[:, :k]
    return len(np.unique(top[top >= 0])) / max(catalogue, 1)


def mean_and_interval(
    values: np.ndarray, weights: np.ndarray | None = None, least: float = 0.0, most: float = 1.0
) -> tuple[float, list[float]]:
    """Sum of `values` over that of `weights` (n,), ones if not given, and its 95% interval within `least` and `most`.

    The interval is the normal approximation for a ratio of two means over users (linearised, Cochran 1977); with
    weights of one it is that of the mean. NaN where the weights are all zero.
    """
    weights = np.ones(len(values)) if weights is None else weights
    if not weights.any():
        return float("nan"), [float("nan"), float("nan")]
    ratio = float(values.sum() / weights.sum())
    residual = (values - ratio * weights) / weights.mean()
    margin = 1.96 * float(residual.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return ratio, [max(ratio - margin, least), min(ratio + margin, most)]
