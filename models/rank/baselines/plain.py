"""Encoded pairs as one matrix, for the baselines: the features that the networks read, but for ids."""

import numpy as np

from models.rank.encoding import Batch


def matrix(batch: Batch, genres: int) -> np.ndarray:
    """(p, d) float32: numbers with NaN where unknown, words as their codes, genres as zeros and ones."""
    hot = np.zeros((len(batch.user), genres + 1), np.float32)
    np.put_along_axis(hot, batch.genres, 1.0, axis=1)
    return np.concatenate([batch.numbers, batch.words.astype(np.float32), hot[:, 1:]], axis=1)
