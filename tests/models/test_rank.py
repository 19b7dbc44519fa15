"""The rankers' parts against formulas in numpy, and what networks of them can learn."""

import numpy as np
import torch
from torch.nn import functional as F

from models.metrics.pointwise import auc, ece, gauc, logloss
from models.rank.calibration import Calibration
from models.rank.networks.network import watch_loss, weighted
from models.rank.networks.parts import Crosses, Experts, Fields, Inputs, TargetAttention, boundaries, pairwise
from models.rank.samples.pairs import recall_columns
from models.recall.merge import merge
from models.recall.merging import Merging


def test_crosses_are_the_papers_formula() -> None:
    """x_{l+1} = x_0 (*) (U V x_l + b) + x_l, worked out in numpy."""
    torch.manual_seed(0)
    crosses = Crosses(6, layers=2, rank=3)
    first = torch.randn(4, 6)
    x = first.numpy()
    for down, up in zip(crosses.down, crosses.up, strict=True):
        u, v, b = (part.detach().numpy() for part in (up.weight, down.weight, up.bias))
        x = first.numpy() * (x @ v.T @ u.T + b) + x
    assert np.allclose(crosses(first).detach().numpy(), x, atol=1e-5)


def test_crosses_learn_a_product_of_two_features() -> None:
    """What a linear model cannot: the label is the sign of a product."""
    torch.manual_seed(0)
    rows = torch.randn(4000, 5)
    label = (rows[:, 0] * rows[:, 1] > 0).float()
    crosses, out = Crosses(5, 2, 4), torch.nn.Linear(5, 1)
    optimiser = torch.optim.Adam([*crosses.parameters(), *out.parameters()], 0.02)
    for _ in range(300):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(out(crosses(rows[:3000]))[:, 0], label[:3000]).backward()
        optimiser.step()
    assert ((out(crosses(rows[3000:]))[:, 0] > 0).float() == label[3000:]).float().mean() > 0.95


def test_the_factorisation_machine_sums_inner_products_of_all_pairs() -> None:
    fields = torch.randn(3, 5, 4)
    expected = sum((fields[:, i] * fields[:, j]).sum(dim=1) for i in range(5) for j in range(i))
    assert torch.allclose(pairwise(fields), expected, atol=1e-5)


def histories(films: list[list[int]], user: list[int]) -> Inputs:
    """Inputs of which only the histories matter."""
    held = torch.tensor(films)
    empty = torch.zeros(len(user), 0)
    ids = empty.long()
    return Inputs(empty, ids, ids, ids, torch.zeros(len(user)).long(), torch.tensor(user), held, held + 1, 60 * held)


def test_target_attention_is_a_weighted_sum_and_padding_has_no_say() -> None:
    """Against a loop over films, as the paper has it: the unit sees h, q and their product."""
    torch.manual_seed(0)
    table, candidate = torch.randn(9, 4), torch.randn(3, 4)
    attention = TargetAttention(4, 5)
    x = histories([[0, 0, 3, 7], [0, 0, 0, 0]], [0, 0, 1])
    found = attention(table, x, candidate)
    expected = torch.zeros(3, 4)
    for pair, user in enumerate([0, 0, 1]):
        for film, rating, seconds in zip(x.films[user], x.ratings[user], x.times[user], strict=True):
            if film:
                step = int(np.log2(1 + int(seconds)))
                state = table[film] + attention.rating.weight[rating] + attention.gap.weight[step]
                hidden = torch.relu(
                    attention.of_history(state) + attention.of_candidate(candidate[pair])
                    + attention.of_product(state * candidate[pair])
                )  # fmt: skip
                expected[pair] += attention.out(hidden) * state / 4
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found[2] == 0).all()
    longer = x._replace(**{name: F.pad(getattr(x, name), (4, 0)) for name in ("films", "ratings", "times")})
    assert torch.allclose(2 * attention(table, longer, candidate), found, atol=1e-5)  # the mean is over the window


def test_buckets_hold_as_many_rows_each_and_0_is_for_what_is_unknown() -> None:
    numbers = np.concatenate([np.arange(100.0), [np.nan]])[:, None].astype(np.float32)
    edges = boundaries(np.concatenate([numbers, np.full_like(numbers, np.nan)], axis=1), 4)
    assert (np.bincount((numbers[:100, :1] >= edges[0]).sum(axis=1), minlength=4) - 25 <= 1).all()
    assert np.isinf(edges[1]).all()
    fields = Fields(1, 4, [], genres=0, people=0, films=1, dim=2, film_dim=2)
    fields.learn(numbers, 4)
    ids = torch.zeros(3, 1, dtype=torch.long)
    asked = torch.tensor([[float("nan")], [-1e9], [1e9]])
    x = Inputs(asked, ids[:, :0], ids, ids, ids[:, 0], ids[:, 0], ids, ids, ids)
    buckets, _, plain = fields(x)
    assert torch.allclose(buckets[:, 0], fields.bucket.weight[[0, 1, 4]], rtol=0, atol=1e-8)
    assert plain[:, 0].tolist() == [0.0, -5.0, 5.0]  # unknown is the mean


def test_each_task_mixes_the_experts_by_its_own_gate() -> None:
    torch.manual_seed(0)
    experts = Experts(5, [4], experts=3, tasks=2, dropout=0.0)
    x = torch.randn(6, 5)
    said = torch.stack([expert(x) for expert in experts.experts], dim=1)
    for task in range(2):
        share = torch.softmax(experts.gates[task](x), dim=1)
        mixed = sum(share[:, n : n + 1] * said[:, n] for n in range(3))
        assert torch.allclose(experts(x)[:, task], experts.towers[task](mixed)[:, 0], atol=1e-6)


def test_the_losses_are_softmax_logloss_and_their_weights() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    share = np.exp(1) / (np.exp(1) + 1 + np.exp(-1))
    assert np.isclose(float(watch_loss(logits, 1.0)), (-np.log(share) - np.log(1 / 3)) / 2)
    each = -np.log(1 / (1 + np.exp(-np.array([[1, 0, 1], [0, 0, 0]]))))
    assert np.isclose(float(watch_loss(logits, 0.0)), each.mean())
    losses, log_variance = torch.tensor([2.0, 3.0]), torch.tensor([0.5, -1.0])
    expected = 2 * np.exp(-0.5) + 0.25 + 3 * np.exp(1) - 0.5
    assert np.isclose(float(weighted(losses, log_variance)), expected)


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
    assert columns.shape == (1, 3, 5)
    # merged rank, then rank and score of a, then of b
    assert np.allclose(columns[0, 0], [10 / 11, 10 / 12, 0.5, 10 / 11, 1])
    assert np.allclose(columns[0, 1], [10 / 12, 10 / 11, 1.0, 0, 0])


def test_calibrated_probabilities_rise_with_the_score_and_are_what_happens() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000)
    label = rng.random(20_000) < 1 / (1 + np.exp(-(3 * scores - 2)))
    calibration = Calibration()
    assert ece(1 / (1 + np.exp(-scores)), label) > 0.05
    calibration.fit(scores[:10_000], label[:10_000])
    shares = calibration(scores[10_000:])
    assert ece(shares, label[10_000:]) < 0.02
    assert (np.diff(calibration(np.linspace(-9, 9, 50))) >= 0).all()
    again = Calibration()
    again.restore(calibration.tensors())
    assert np.array_equal(again(scores), calibration(scores))


def test_pointwise_figures_against_scikit_learn() -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    rng = np.random.default_rng(1)
    scores = rng.normal(size=(200, 10)).round(1)
    scores[:, 0] += 1
    label = np.zeros((200, 10))
    label[:, 0] = 1
    shares = 1 / (1 + np.exp(-scores))
    assert np.isclose(auc(scores.ravel(), label.ravel() > 0), roc_auc_score(label.ravel(), scores.ravel()))
    assert np.allclose(gauc(scores), [roc_auc_score(a, b) for a, b in zip(label, scores, strict=True)])
    assert np.isclose(logloss(shares).mean(), log_loss(label.ravel(), shares.ravel()))
    assert auc(np.array([1.0, 1.0]), np.array([True, False])) == gauc(np.array([[1.0, 1.0]]))[0] == 0.5
    assert np.isclose(ece(np.full(100, 0.3), np.arange(100) < 50), 0.2)
