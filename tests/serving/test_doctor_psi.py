"""The index against other ways to compute it, and the bins against pandas."""

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import entropy

from serving.statistics.bins import counted, numeric_codes
from serving.statistics.psi import by_chance, psi
from serving.statistics.thresholds import BINS, CHANCE

rng = np.random.default_rng(3)


def test_by_hand() -> None:
    """Half and half becomes 60 and 40 of a hundred: 0.1 ln 1.2 - 0.1 ln 0.8."""
    many = 10**9
    found = psi(np.array([50, 50]) * many, np.array([60, 40]) * many)
    assert found == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8), rel=1e-6)


def test_is_the_divergence_both_ways() -> None:
    """The PSI is Kullback-Leibler's divergence there and back (Jeffreys), which scipy has."""
    for _ in range(20):
        expected, actual = rng.integers(0, 10_000, (2, BINS))
        e, a = (expected + 0.5) / (expected + 0.5).sum(), (actual + 0.5) / (actual + 0.5).sum()
        assert psi(expected, actual) == pytest.approx(entropy(e, a) + entropy(a, e))


def test_identities() -> None:
    expected, actual = rng.integers(0, 100, (2, BINS))
    assert psi(expected, expected) == 0
    assert psi(expected, actual) == pytest.approx(psi(actual, expected))
    order = rng.permutation(BINS)
    assert psi(expected[order], actual[order]) == pytest.approx(psi(expected, actual))
    assert psi(expected, actual) > 0


def test_what_chance_exceeds() -> None:
    """Of pairs of samples of one distribution, about 5% lie above the bound of 5%, whatever their sizes."""
    tests = CHANCE / 0.05
    for sizes in ((200, 2_000), (5_000, 5_000)):
        pairs = [[rng.multinomial(size, np.full(BINS, 1 / BINS)) for size in sizes] for _ in range(2_000)]
        above = np.mean([psi(*pair) > by_chance(*pair, tests=tests) for pair in pairs])  # type: ignore[arg-type]
        assert 0.035 < above < 0.065
    assert by_chance(*pairs[0], tests=20) > by_chance(*pairs[0])


def test_quantile_bins_are_those_of_pandas() -> None:
    training, online = rng.lognormal(size=5_000), rng.lognormal(0.3, size=3_000)
    cuts = [-np.inf, *pd.Series(training).quantile(np.arange(1, BINS) / BINS), np.inf]
    ((first, second),) = counted(pa.array(training), pa.array(online))
    assert first.tolist() == pd.cut(training, cuts).value_counts().tolist() == [500] * BINS
    assert second.tolist() == pd.cut(online, cuts).value_counts().tolist()


def test_nulls_have_a_bin() -> None:
    column = pa.array([*rng.normal(size=90), *[None] * 10])
    ((first, second),) = counted(column, pa.array([None] * 50, pa.float64()))
    assert first[0] == 10
    assert second.tolist() == [50, *[0] * BINS]
    assert psi(first, second) > 1


def test_few_values_have_a_bin_each_and_a_new_one_its_own() -> None:
    ((first, second),) = counted(pa.array([3.0] * 6 + [4.0] * 4), pa.array([3.0] * 5 + [3.5] * 5))
    assert first.tolist() == [6, 4, 0]
    assert second.tolist() == [5, 0, 5]


def test_a_constant_that_changes_drifts_both_ways() -> None:
    for value in (0.0, 2.0):
        ((first, second),) = counted(pa.array([1.0] * 100), pa.array([value] * 100))
        assert psi(first, second) > 1


def test_texts_keep_the_most_frequent() -> None:
    training = [letter for place, letter in enumerate("abcdefghijklmno") for _ in range(20 - place)]
    ((first, second),) = counted(pa.array(training), pa.array(["a", "o", "zebra", None]))
    assert first.tolist() == [0, *range(20, 20 - BINS + 1, -1), sum(20 - place for place in range(BINS - 1, 15))]
    assert second.tolist() == [1, 1, *[0] * (BINS - 2), 2]


def test_lists_by_element_or_by_length() -> None:
    shares = pa.array(rng.dirichlet(np.ones(4), 300).astype(np.float32).tolist(), pa.list_(pa.float32()))
    shifted = pa.array([[row[1], row[0], *row[2:]] for row in shares.to_pylist()], pa.list_(pa.float32()))
    assert len(counted(shares, shifted)) == 4
    ids = pa.array([[1] * length for length in rng.integers(1, 100, 300)], pa.list_(pa.int64()))
    ((first, second),) = counted(ids, ids)
    assert first.tolist() == second.tolist()
    assert first.sum() == 300


def test_what_has_no_distribution() -> None:
    for nameless in (pa.array(range(500)), pa.array([f"film {n}" for n in range(500)])):
        assert counted(nameless, nameless) == []
    assert counted(pa.array([None] * 9, pa.float32()), pa.array([1.0] * 9, pa.float32())) == []
    assert len(counted(pa.array(rng.integers(0, 200, 500)), pa.array([7] * 500))) == 1


def test_moments_are_numbers() -> None:
    moments = pa.array([datetime(2020, 1, 1 + day % 28) for day in range(500)], pa.timestamp("us"))
    ((first, second),) = counted(moments, moments)
    assert first.tolist() == second.tolist()


def test_bins_are_closed_above() -> None:
    training = np.arange(1.0, 101.0)
    first, second = numeric_codes(training, np.array([-5.0, 10.9, 10.91, 1e9, np.nan]))
    assert np.bincount(first).tolist() == [0, *[10] * BINS]
    assert second.tolist() == [1, 1, 2, BINS, 0]
