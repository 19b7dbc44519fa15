"""How well scores tell positives from negatives, and probabilities what happened; groups have their positive first."""

import numpy as np

BINS = 15


def auc(scores: np.ndarray, label: np.ndarray) -> float:
    """The share of pairs of a positive and a negative in the right order, ties half."""
    from scipy.stats import rankdata

    positives = int(label.sum())
    ranks = rankdata(scores)[label].sum() - positives * (positives + 1) / 2
    return float(ranks / (positives * (len(label) - positives)))


def gauc(scores: np.ndarray) -> np.ndarray:
    """AUC within each group (g,). Zhou et al. 2018 weigh users by impressions; every group here has as many."""
    ahead = (scores[:, :1] > scores[:, 1:]) + 0.5 * (scores[:, :1] == scores[:, 1:])
    return np.asarray(ahead.mean(axis=1))


def logloss(shares: np.ndarray) -> np.ndarray:
    """Mean binary cross-entropy of each group (g,)."""
    right = shares.astype(float).copy()
    right[:, 1:] = 1 - right[:, 1:]
    return np.asarray(-np.log(np.clip(right, 1e-12, 1)).mean(axis=1))


def ece(shares: np.ndarray, label: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |share of positives - mean probability| over bins of equally many (Naeini 2015).

    Equal probabilities stay in one bin.
    """
    edges = np.unique(np.quantile(shares, np.linspace(0, 1, bins + 1)[1:-1]))
    part = np.searchsorted(edges, shares, side="right")
    apart = np.bincount(part, weights=label - shares.astype(float))
    return float(np.abs(apart).sum() / len(shares))
