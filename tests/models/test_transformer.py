"""The sequence network: PyTorch's own layer as the reference, and what must not reach a position."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import onnx
from models.recall.nn.histories import Histories
from models.recall.nn.softmax import full_softmax, sampled_softmax
from models.recall.sequence.transformer import BUCKETS, CausalBlock, CausalTransformer, bucket


def network(facts: int = 5, **changes: bool) -> CausalTransformer:
    torch.manual_seed(0)
    made = CausalTransformer(
        facts=torch.rand(40, facts), length=16, dim=16, heads=2, blocks=2, dropout=0.1, input_dropout=0.1, inner=32,
        **({"ratings": True, "gaps": True, "calendar": True} | changes),
    )  # fmt: skip
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.3)
    return made.eval()


def vectors(net: CausalTransformer, histories: Histories) -> Tensor:
    return net(histories, net.films())


def requested(b: int = 3, t: int = 16) -> Histories:
    generator = torch.Generator().manual_seed(1)
    times = torch.randint(0, 10**6, (b, t), generator=generator).cumsum(1)
    films = torch.randint(1, 41, (b, t), generator=generator)
    return Histories(films, torch.randint(1, 11, (b, t), generator=generator), times, times + 3600)


def test_no_position_sees_a_later_one() -> None:
    histories = requested()
    later = Histories(*(torch.cat([column[:, :9], column[:, 9:].flip(1)], dim=1) for column in histories))
    net = network()
    assert torch.allclose(vectors(net, histories)[:, :9], vectors(net, later)[:, :9], atol=1e-5)
    assert not torch.allclose(vectors(net, histories)[:, 9:], vectors(net, later)[:, 9:], atol=1e-2)


def test_padding_at_the_end_changes_nothing() -> None:
    histories = requested(t=10)
    wide = Histories(*(F.pad(column, (0, 6)) for column in histories))
    assert torch.allclose(vectors(network(), histories), vectors(network(), wide)[:, :10], atol=1e-5)


@pytest.mark.parametrize("gaps", [True, False])
def test_one_position_alone_is_as_among_all(gaps: bool) -> None:
    histories, at = requested(t=12), torch.tensor([11, 0, 6])
    net = network(gaps=gaps)
    found = net.last(histories, net.films(), at)
    assert torch.allclose(found, vectors(net, histories)[torch.arange(3), at], atol=1e-5)


def test_inputs_count_only_where_they_are_configured() -> None:
    histories = requested()
    for name, column in (("ratings", "ratings"), ("gaps", "requested"), ("calendar", "requested")):
        changed = histories._replace(
            **{column: 11 - histories.ratings if name == "ratings" else histories.requested + 7200}
        )
        only = network(**{other: other == name for other in ("ratings", "gaps", "calendar")})
        none = network(ratings=False, gaps=False, calendar=False)
        assert not torch.allclose(vectors(only, histories), vectors(only, changed), atol=1e-3), name
        assert torch.equal(vectors(none, histories), vectors(none, changed)), name


def test_facts_add_to_a_films_own_vector() -> None:
    net, bare = network(facts=3), network(facts=0)
    with torch.no_grad():
        bare.film.weight.copy_(net.film.weight)
    assert torch.equal(bare.films(), net.film.weight)
    assert torch.equal(net.films()[0], net.film.weight[0])
    assert torch.allclose(net.films()[1:] - bare.films()[1:], net.facts @ net.of_facts.weight.T, atol=1e-6)


def test_a_block_is_pytorchs_own_layer_plus_a_bias() -> None:
    block = CausalBlock(dim=16, heads=2, inner=32, dropout=0.0).eval()
    theirs = nn.TransformerEncoderLayer(
        16, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    first, second = block.perceptron[0], block.perceptron[2]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(block.project.weight)
        theirs.self_attn.in_proj_bias.zero_()
        theirs.self_attn.out_proj.weight.copy_(block.out.weight)
        theirs.self_attn.out_proj.bias.zero_()
        theirs.linear1.load_state_dict(first.state_dict())
        theirs.linear2.load_state_dict(second.state_dict())
    x = torch.randn(3, 7, 16)
    bias = torch.randn(2, 7, 7).masked_fill(torch.ones(7, 7).triu(1).bool(), float("-inf"))
    expected = theirs(x, src_mask=bias.repeat(3, 1, 1))
    assert torch.allclose(block(x, bias[None]), expected, atol=1e-5)


def test_gaps_double_every_second_bucket() -> None:
    seconds = torch.tensor([-5, 0, 1, 3, 7, 3600, 86400, 2**40])
    assert bucket(1000 + seconds * 0, 1000 + seconds).tolist() == [0, 0, 2, 4, 6, 23, 32, BUCKETS - 1]


def test_a_gap_is_in_its_bucket_in_the_exported_network_too(tmp_path: Path) -> None:
    """At every edge, where rounding tells: gaps of one second, three, seven are the most frequent there are."""
    edges = torch.tensor([math.isqrt(2**k - 1) for k in range(4, BUCKETS)])  # seconds from which on a bucket is reached
    given = {"start": torch.zeros(2, 60).long() + 1000, "end": 1000 + torch.stack([edges - 1, edges])}
    expected = [list(range(3, BUCKETS - 1)), list(range(4, BUCKETS))]
    assert bucket(**given).tolist() == expected
    onnx.export(nn.Identity(), bucket, given, tmp_path / onnx.FILE, {})
    session = onnx.Session(tmp_path / onnx.FILE)
    assert session({name: part.numpy() for name, part in given.items()}).tolist() == expected


@pytest.mark.parametrize("some_seen", [False, True])
def test_full_softmax_is_cross_entropy_with_its_gradients(some_seen: bool) -> None:
    torch.manual_seed(0)
    vectors, films = torch.randn(2500, 8, requires_grad=True), torch.randn(30, 8, requires_grad=True)
    target = torch.randint(30, (2500,))
    seen = torch.randint(30, (2500, 4)) if some_seen else None
    logits = vectors * 2 @ films.T
    if seen is not None:
        others = F.one_hot(seen, 30).amax(dim=1).bool() & (torch.arange(30) != target[:, None])
        assert others.any()
        logits = logits.masked_fill(others, float("-inf"))
    ours, theirs = full_softmax(vectors * 2, films, target, seen), F.cross_entropy(logits, target)
    assert torch.allclose(ours, theirs, rtol=1e-5)
    for mine, other in zip(
        torch.autograd.grad(3 * ours, (vectors, films)), torch.autograd.grad(3 * theirs, (vectors, films)), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-6)


def test_a_sample_of_all_films_is_the_full_softmax() -> None:
    torch.manual_seed(0)
    vectors, films, target = torch.randn(50, 8), torch.randn(30, 8), torch.randint(30, (50,))
    every = sampled_softmax(vectors, films, target, torch.arange(30))
    assert torch.allclose(every, full_softmax(vectors, films, target), rtol=1e-5)
    estimates = [sampled_softmax(vectors, films, target, torch.randint(30, (12,))) for _ in range(400)]
    assert abs(torch.stack(estimates).mean() - every) < 0.1 * every
