"""The population stability index of two samples that are counted into the same bins.

Siddiqi, Credit Risk Scorecards (2006), pp. 136-137, has the index and its rule of thumb, 0.1 and 0.25. Yurdakul and
Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation 14(4) (2020),
have its distribution where nothing has changed.
"""

import numpy as np
from scipy.stats import chi2

from serving.statistics.thresholds import CHANCE


def psi(expected: np.ndarray, actual: np.ndarray) -> float:
    """Sum over the bins of (a - e) ln(a / e), a and e the shares of the counts `actual` and `expected` (bins,).

    0 for equal shares, and the same either way round. Half a row is added to each bin, so that an empty one, which
    a sample of dozens always has, does not decide alone; with thousands of rows it is about the 0.0001 that is
    customary for an empty bin.
    """
    e = (expected + 0.5) / (expected.sum() + 0.5 * len(expected))
    a = (actual + 0.5) / (actual.sum() + 0.5 * len(actual))
    return float(((a - e) * np.log(a / e)).sum())


def by_chance(expected: np.ndarray, actual: np.ndarray, tests: int = 1) -> float:
    """What the index of two samples of one distribution exceeds with probability CHANCE, in the largest of `tests`.

    Without a change the index is (1/n + 1/m) times chi-squared with a degree of freedom less than there are bins.
    """
    degrees = len(expected) - 1
    if degrees < 1:
        return 0.0
    return float(chi2.isf(CHANCE / tests, degrees) * (1 / expected.sum() + 1 / actual.sum()))
