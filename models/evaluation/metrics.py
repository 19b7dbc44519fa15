"""Ranking metrics over the full catalogue, a value a user, and their means with 95% intervals.

HitRate, Recall, NDCG (Järvelin and Kekäläinen 2002, binary gains) and MRR at K, as RecTools and the papers behind
docs/evaluation.md define them. Nothing is sampled.
"""

import numpy as np

KS = (10, 50, 500)


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


def coverage(ids: np.ndarray, catalogue: int, k: int) -> float:
    """The share of the catalogue that is among anyone's first `k`."""
    top = ids[:, :k]
    return len(np.unique(top[top >= 0])) / max(catalogue, 1)


def mean_and_interval(values: np.ndarray) -> tuple[float, list[float]]:
    """Mean over users and its 95% interval, by the normal approximation, within what the metric can be."""
    mean = float(values.mean())
    margin = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return mean, [max(mean - margin, 0.0), min(mean + margin, 1.0)]
