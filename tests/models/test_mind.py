"""MIND: its routing against the paper's algorithm in plain loops, what padding may not change, its loss."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.dataset import Dataset
from models.recall.interests.capsules import Capsules, active_interests, interest_softmax, route, squash
from models.recall.interests.mind import Mind
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PER_GROUP

SMALL = {"dim": 16, "batch": 256, "epochs": 6, "learning_rate": 0.02, "negatives": 64}


class TestMind(RecallContract):
    kind = "mind"
    small = SMALL


class TestApproximate(RecallContract):
    kind = "mind"
    small = SMALL | {"interests": 2, "index": "hnsw"}


def by_hand(behaviour: np.ndarray, weight: np.ndarray, start: np.ndarray, k: int, rounds: int) -> np.ndarray:
    """Algorithm 1 of the paper for one user: behaviours (t, d) into k interests, each step written out."""
    t, d = behaviour.shape
    logits = [[float(start[j, i]) for j in range(k)] for i in range(t)]
    interests = np.zeros((k, d))
    for _ in range(rounds):
        for j in range(k):
            total = np.zeros(d)
            for i in range(t):
                share = math.exp(logits[i][j]) / sum(math.exp(logits[i][other]) for other in range(k))
                total += weight[i] * share * behaviour[i]
            square = float(total @ total)
            interests[j] = square / (1 + square) * total / math.sqrt(square)
        for i in range(t):
            for j in range(k):
                logits[i][j] += float(interests[j] @ behaviour[i])
    return interests


@pytest.mark.parametrize(("rounds", "sizes"), [(1, [9, 4]), (3, [12, 9]), (4, [1, 5])])
def test_routing_is_the_papers_algorithm(rounds: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(rounds)
    behaviour = rng.normal(size=(2, 12, 6))
    start = rng.normal(size=(3, 12))
    weight = rng.random((2, 12)) * (np.arange(12) < np.array(sizes)[:, None])
    active = active_interests(torch.tensor(sizes), 3)
    tensors = (torch.from_numpy(part).float() for part in (behaviour, weight, start))
    found = route(*tensors, active, rounds, sharpness=1.0)
    for user, size in enumerate(sizes):
        k = max(1, min(3, int(math.log2(size))))
        assert int(active[user].sum()) == k
        expected = by_hand(behaviour[user, :size], weight[user, :size], start, k, rounds)
        assert np.allclose(found[user, :k], expected, atol=1e-5)
        assert not found[user, k:].any()


def test_a_short_past_has_fewer_interests() -> None:
    held = active_interests(torch.tensor([0, 1, 3, 4, 7, 8, 100]), 4).sum(dim=1)
    assert held.tolist() == [1, 1, 1, 2, 2, 3, 4]


@pytest.fixture
def network() -> Capsules:
    torch.manual_seed(0)
    return Capsules(films=20, length=10, dim=6, interests=3, rounds=3, sharpness=1.0, recency=1.0, dropout=0.1).eval()


def test_padding_changes_no_interest(network: Capsules) -> None:
    past = torch.tensor([[5, 3, 8, 1]])
    padded = torch.tensor([[5, 3, 8, 1, 0, 0, 0], [7, 2, 9, 4, 11, 6, 10]])
    short, long = network(past), network(padded)
    assert torch.allclose(short[0][0], long[0][0], atol=1e-6)
    assert torch.equal(short[1][0], long[1][0])


def test_no_film_gives_no_interest_and_no_nan(network: Capsules) -> None:
    routed = squash(torch.zeros(1, 3, 6, requires_grad=True))
    assert not routed.any()
    interests, _ = network(torch.tensor([[0, 0], [3, 0]]))
    interests.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_a_late_film_weighs_more(network: Capsules) -> None:
    """With one interest alone it points towards the films' weighted sum."""
    network.interests, network.dense = 1, torch.nn.Sequential(torch.nn.Linear(6, 6))
    torch.nn.init.zeros_(network.dense[0].weight)
    torch.nn.init.zeros_(network.dense[0].bias)
    network.start = network.start[:1]
    found = network(torch.tensor([[4, 9]]))[0][0, 0].detach().numpy()
    films = network.film.weight.detach().numpy()
    expected = films[4] + films[9] / 2
    assert np.allclose(found / np.linalg.norm(found), expected / np.linalg.norm(expected), atol=1e-5)


def test_the_loss_is_a_softmax_over_soft_maxima() -> None:
    rng = np.random.default_rng(0)
    interests, films = rng.normal(size=(2, 3, 4)), rng.normal(size=(7, 4))
    active = np.array([[True, True, True], [True, False, False]])
    targets, negatives = np.array([2, 5]), np.array([0, 5, 6])
    losses = []
    for user in range(2):
        own = interests[user][active[user]]
        mass = {film: np.exp(films[film] @ own.T).sum() for film in range(7)}
        others = sum(7 / 3 * mass[film] for film in negatives if film != targets[user])
        losses.append(-math.log(mass[targets[user]] / (mass[targets[user]] + others)))
    tensors = [torch.from_numpy(part) for part in (interests, active, films, targets, negatives)]
    assert float(interest_softmax(*tensors)) == pytest.approx(np.mean(losses), rel=1e-5)


def test_two_tastes_are_two_interests(two_tastes: Mind) -> None:
    """Nobody in training has watched two groups; routing still parts them where they alternate."""
    one, other = ([1000 + group * PER_GROUP + i for i in range(8)] for group in range(2))
    films = [film for pair in zip(one, other, strict=True) for film in pair]
    user = pa.table({
        "user_seen_movie_ids": [films], "user_seen_ratings": [[4.0] * 16], "user_seen_timestamps": [list(range(16))],
        "event_timestamp": pa.array([20_000_000], pa.timestamp("us")),
    })  # fmt: skip
    left = PER_GROUP - 8
    found = two_tastes.recommend(user, 2 * left, [np.array(films)])[0][0]
    groups = np.bincount((found - 1000) // PER_GROUP, minlength=6)
    assert groups[0] >= left - 3
    assert groups[1] >= left - 3


@pytest.fixture(scope="module")
def two_tastes(data: Dataset) -> Mind:
    channel: Mind = untrained("mind", **SMALL, recency=0.0)
    channel.fit(data, "train")
    return channel
