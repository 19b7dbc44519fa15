"""What numpy lacks for arrays of many short rows in a row."""

import numpy as np


def count_up(lengths: np.ndarray) -> np.ndarray:
    """0 .. n - 1 for each n of `lengths`, in a row."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def first_of_each(values: np.ndarray) -> np.ndarray:
    """(n,) booleans: whether no earlier value is the same."""
    is_first = np.zeros(len(values), bool)
    is_first[np.unique(values, return_index=True)[1]] = True
    return is_first
