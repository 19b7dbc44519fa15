"""Metrics against an example worked out by hand, and against a plain loop."""

import math

import numpy as np
import pytest

from models.ids import Ids
from models.metrics.ranked_lists import Rated, coverage, debiased, list_metrics, mean_and_interval, novelty, per_user

# film 1 was rated by all eight users, film 2 by four, film 3 by one, film 9 by nobody
RATED = Rated(Ids(np.array([1, 2, 3])), np.array([8, 4, 1]), users=8)


def test_one_user_by_hand() -> None:
    """Targets 3 and 9 in a list of ten: 9 stands second, 3 stands fourth."""
    ids = np.array([[1, 9, 5, 3, 2, 4, 6, 7, 8, 10]])
    found = list_metrics(ids, [np.array([3, 9])])
    assert found["hit_rate@10"][0] == 1.0
    assert found["recall@10"][0] == 1.0
    assert found["mrr@10"][0] == 0.5
    dcg = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 / math.log2(2) + 1 / math.log2(3)
    assert found["ndcg@10"][0] == pytest.approx(dcg / ideal)
    assert "hit_rate@50" not in found  # lists of ten say nothing about fifty


def test_against_a_loop() -> None:
    rng = np.random.default_rng(1)
    ids = np.stack([rng.permutation(200)[:60] for _ in range(40)])
    ids[rng.random(ids.shape) < 0.1] = -1
    targets = [rng.choice(220, size=rng.integers(1, 5), replace=False) for _ in range(40)]
    found = list_metrics(ids, targets)
    for k in (10, 50):
        for user, wanted in enumerate(targets):
            places = [place for place, film in enumerate(ids[user, :k], 1) if film in wanted]
            assert found[f"hit_rate@{k}"][user] == (1.0 if places else 0.0)
            assert found[f"recall@{k}"][user] == pytest.approx(len(places) / len(wanted))
            assert found[f"mrr@{k}"][user] == pytest.approx(1 / places[0] if places else 0.0)
            ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(wanted), k) + 1))
            dcg = sum(1 / math.log2(place + 1) for place in places)
            assert found[f"ndcg@{k}"][user] == pytest.approx(dcg / ideal)


def test_padding_is_never_a_hit() -> None:
    assert list_metrics(np.full((1, 10), -1), [np.array([-1])])["hit_rate@10"][0] == 0.0


def test_coverage_counts_films_once() -> None:
    assert coverage(np.array([[1, 2, -1], [2, 3, 4]]), catalogue=10, k=2) == 0.3


def test_the_interval_holds_the_mean_and_stays_within_bounds() -> None:
    values = np.array([0.0] * 90 + [1.0] * 10)
    mean, (low, high) = mean_and_interval(values)
    assert mean == pytest.approx(0.1)
    # the normal approximation of a share: 1.96 * sqrt(p (1 - p) / (n - 1))
    assert high - mean == pytest.approx(1.96 * math.sqrt(0.1 * 0.9 / 99))
    assert low == pytest.approx(mean - (high - mean))
    assert mean_and_interval(np.zeros(5))[1] == [0.0, 0.0]


def test_novelty_by_hand() -> None:
    """A film that everyone rated tells 0 bits, one that half did 1, one of eight 3, as does one that nobody rated."""
    ids = np.full((3, 10), -1)
    ids[0, :4], ids[1, :2] = [1, 2, 3, 9], [1, 2]
    values, weights = novelty(ids, RATED)["novelty@10"]
    assert values.tolist() == [(0 + 1 + 3 + 3) / 4, 0.5, 0.0]
    assert weights.tolist() == [1, 1, 0]  # nobody can say how novel an empty list is
    assert mean_and_interval(values, weights, most=math.inf)[0] == pytest.approx((7 / 4 + 0.5) / 2)


def test_the_debiased_hit_rate_by_hand() -> None:
    """Three users, one target each: film 1 (8 ratings) hit, film 2 (4) missed, film 3 (1) hit."""
    ids = np.full((3, 10), 77)
    ids[0, 0], ids[2, 9] = 1, 3
    targets = [np.array([1]), np.array([2]), np.array([3])]
    values, weights = debiased(ids, targets, RATED)["debiased_hit_rate@10"]
    w = [8**-0.5, 4**-0.5, 1.0]
    assert mean_and_interval(values, weights)[0] == pytest.approx((w[0] + w[2]) / sum(w))


def test_debiased_and_plain_hit_rate_are_one_where_all_films_are_alike() -> None:
    """With equally popular films Steck's weights cancel: the plain hit rate and its plain interval are left."""
    rng = np.random.default_rng(3)
    ids = np.stack([rng.permutation(30)[:10] for _ in range(200)])
    targets = [rng.integers(0, 30, 1) for _ in range(200)]
    alike = Rated(Ids(np.arange(30)), np.full(30, 5), users=50)
    found = per_user(ids, targets, alike)
    debiased_rate, interval = mean_and_interval(*found["debiased_hit_rate@10"])
    plain, plain_interval = mean_and_interval(*found["hit_rate@10"])
    assert debiased_rate == pytest.approx(plain)
    assert interval == pytest.approx(plain_interval)


def test_the_interval_of_a_ratio_against_the_bootstrap() -> None:
    rng = np.random.default_rng(5)
    weights = rng.exponential(size=400)
    values = weights * (rng.random(400) < 0.3)
    draws = rng.integers(0, 400, (4000, 400))
    ratios = values[draws].sum(axis=1) / weights[draws].sum(axis=1)
    low, high = mean_and_interval(values, weights)[1]
    assert high - low == pytest.approx(2 * 1.96 * ratios.std(), rel=0.05)
    assert math.isnan(mean_and_interval(np.zeros(3), np.zeros(3))[0])
