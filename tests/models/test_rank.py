"""The ranker's parts: the cross layer by the paper's formula, sampling of negatives, recall's columns."""

import numpy as np
import torch
from torch.nn import functional as F

from models.rank.dcn import CrossLayer, DCNNetwork
from models.rank.features import recall_columns
from models.rank.samples import draw
from models.rank.training import group_loss
from models.recall.merge import merge
from models.recall.merging import Merging


def test_a_cross_layer_is_the_papers_formula() -> None:
    """x_{l+1} = x_0 (*) (W x_l + b) + x_l, worked out in numpy."""
    torch.manual_seed(0)
    layer = CrossLayer(4)
    first, x = torch.randn(3, 4), torch.randn(3, 4)
    w, b = layer.linear.weight.detach().numpy(), layer.linear.bias.detach().numpy()
    expected = first.numpy() * (x.numpy() @ w.T + b) + x.numpy()
    assert np.allclose(layer(first, x).detach().numpy(), expected, atol=1e-6)


def test_the_network_learns_a_product_of_two_features() -> None:
    """What a linear model cannot: the label is the sign of a product."""
    torch.manual_seed(0)
    rows = torch.randn(4000, 5)
    label = (rows[:, 0] * rows[:, 1] > 0).float()
    network = DCNNetwork(5, crosses=2, hidden=[], dropout=0.0)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(network(rows[:3000]), label[:3000]).backward()
        optimiser.step()
    accuracy = ((network(rows[3000:]) > 0).float() == label[3000:]).float().mean()
    assert accuracy > 0.95


def test_negatives_are_others_of_the_list_and_never_the_positive() -> None:
    rng = np.random.default_rng(0)
    place = np.array([0, 4, 9])
    drawn = draw(place, np.array([10, 5, 10]), 4, rng)
    assert drawn[:, 0].tolist() == place.tolist()
    assert sorted(drawn[1].tolist()) == [0, 1, 2, 3, 4]
    for row, size in zip(drawn, (10, 5, 10), strict=True):
        assert len(set(row.tolist())) == 5
        assert row.max() < size


def test_the_loss_is_the_negative_log_share_of_the_positive() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    share = np.exp(1) / (np.exp(1) + 1 + np.exp(-1))
    assert np.isclose(float(group_loss(logits)), (-np.log(share) - np.log(1 / 3)) / 2)


def test_recall_columns_tell_ranks_and_absence() -> None:
    merged = merge(
        {
            "a": (np.array([[7, 8]]), np.array([[2.0, 1.0]], np.float32)),
            "b": (np.array([[8, -1]]), np.array([[5.0, -np.inf]], np.float32)),
        },
        Merging.even(["a", "b"]),
        3,
    )
    assert merged.ids.tolist() == [[8, 7, -1]]  # 8 is named by both
    columns = recall_columns(merged, ["a", "b"])
    assert columns.shape == (1, 3, 7)
    # merged rank, then named, rank and score of a, then of b
    assert np.allclose(columns[0, 0], [10 / 11, 1, 10 / 12, 0.5, 1, 10 / 11, 1])
    assert np.allclose(columns[0, 1], [10 / 12, 1, 10 / 11, 1.0, 0, 0, 0])
