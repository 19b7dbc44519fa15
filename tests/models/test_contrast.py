"""The retrieval loss against loops that read like its definition."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.recall.nn.contrast import log_frequencies, shared_bias, softmax_loss

NONE = torch.zeros(4, 0)


def by_hand(shared: np.ndarray, own: np.ndarray, positive: np.ndarray, hardest: int = 0) -> float:
    losses = []
    for i, at in enumerate(positive):
        others = [shared[i, j] for j in range(shared.shape[1]) if j != at] + list(own[i])
        others = sorted(others, reverse=True)[: hardest or None]
        losses.append(-shared[i, at] + np.log(np.exp([shared[i, at], *others]).sum()))
    return float(np.mean(losses))


@pytest.mark.parametrize("hardest", [0, 1, 3, 50])
@pytest.mark.parametrize("own", [0, 3])
def test_the_loss_is_its_definition(hardest: int, own: int) -> None:
    rng = np.random.default_rng(0)
    shared, mine, positive = rng.normal(size=(5, 8)), rng.normal(size=(5, own)), rng.integers(0, 8, 5)
    shared[(rng.random((5, 8)) < 0.3) & (positive[:, None] != np.arange(8))] = -np.inf
    mine[rng.random((5, own)) < 0.3] = -np.inf
    found = softmax_loss(*(torch.from_numpy(x) for x in (shared, mine, positive)), hardest)
    assert float(found) == pytest.approx(by_hand(shared, mine, positive, hardest))


@pytest.mark.parametrize("hardest", [0, 2])
def test_masked_logits_get_no_gradient(hardest: int) -> None:
    logits = torch.randn(4, 6, requires_grad=True)
    mask = torch.zeros(4, 6)
    mask[1, 5] = mask[2, 0] = -torch.inf
    softmax_loss(logits + mask, NONE, torch.arange(4), hardest).backward()
    assert logits.grad is not None
    assert logits.grad[1, 5] == logits.grad[2, 0] == 0
    assert (logits.grad[range(4), range(4)] < 0).all()
    assert ((logits.grad > 0).sum(dim=1) == (hardest or torch.tensor([5, 4, 4, 5]))).all()


def test_each_film_once_is_the_same_loss_as_each_mention() -> None:
    """A batch of 6 whose films repeat, and 5 more films: by a loop over mentions, positives and histories."""
    rng = np.random.default_rng(1)
    mentions, history = rng.integers(1, 9, 11), rng.integers(0, 9, (6, 3))
    logits, log_q = rng.normal(size=(6, 9)), rng.normal(size=9)
    losses = []
    for i in range(6):
        positive = logits[i, mentions[i]] - log_q[mentions[i]]
        others = [
            logits[i, film] - log_q[film] for film in mentions
            if film != mentions[i] and film not in history[i]
        ]  # fmt: skip
        losses.append(-positive + np.log(np.exp([positive, *others]).sum()))
    films, place, times = torch.from_numpy(mentions).unique(return_inverse=True, return_counts=True)
    bias = shared_bias(films, times, place[:6], torch.from_numpy(history.astype(np.int32)), torch.from_numpy(log_q))
    found = softmax_loss(torch.from_numpy(logits)[:, films] + bias, torch.zeros(6, 0), place[:6])
    assert float(found) == pytest.approx(np.mean(losses))
    assert len(films) < len(mentions)
    assert any(set(history[i]) & set(mentions) - {mentions[i]} for i in range(6))


def test_frequencies_are_those_of_drawing() -> None:
    """Ten films by their counts and, with five uniform ones mixed in, by the mixture."""
    counts = torch.tensor([0, 6, 3, 1, 0])
    assert torch.allclose(log_frequencies(counts, 10, 0)[1:4].exp(), torch.tensor([0.6, 0.3, 0.1]))
    mixed = (10 * np.array([0.6, 0.3, 0.1]) + 5 / 3) / 15
    assert torch.allclose(log_frequencies(counts, 10, 5)[1:4].exp(), torch.from_numpy(mixed).float())
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.choice([1, 1, 1, 1, 1, 1, 2, 2, 2, 3], 100_000), rng.integers(1, 4, 50_000)])
    assert np.allclose(np.bincount(drawn)[1:] / len(drawn), mixed, atol=0.01)


def test_the_correction_changes_nothing_where_all_films_are_as_frequent() -> None:
    """Equal frequencies move all logits of a row alike; unequal ones make a rare negative count for more."""
    logits = torch.randn(4, 4)
    even = log_frequencies(torch.tensor([0, 5, 5, 5, 5]), 4, 2)[1:]
    positive = torch.arange(4)
    assert torch.allclose(softmax_loss(logits, NONE, positive), softmax_loss(logits - even, NONE, positive))
    uneven = log_frequencies(torch.tensor([0, 1, 9, 9, 9]), 4, 0)[1:]
    corrected = F.softmax(torch.zeros(4) - uneven, dim=0)
    assert corrected[0] / corrected[1] == pytest.approx(9, rel=1e-5)
