"""Encoders of a history: padding has no say, order has, and the WindowTransformer's short cut changes nothing."""

import pytest
import torch

from models.recall.nn.encoders import Encoder, RecencyMean, WindowTransformer, encoder

KINDS: tuple[Encoder, ...] = ("mean", "gru", "transformer")
DIM, WINDOW = 8, 6


def made(kind: Encoder, layers: int = 2) -> torch.nn.Module:
    torch.manual_seed(0)
    return encoder(kind, DIM, WINDOW, heads=2, layers=layers, dropout=0.3).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_has_no_say(kind: Encoder) -> None:
    """A history of three says the same in a window of three and of six."""
    torch.manual_seed(1)
    films = torch.randn(5, 3, DIM)
    wide = torch.cat([torch.zeros(5, 3, DIM), films], dim=1)
    known = torch.tensor([[False] * 3 + [True] * 3] * 5)
    made_ = made(kind)
    assert torch.allclose(made_(films, known[:, 3:]), made_(wide, known), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_hear_its_neighbours(kind: Encoder) -> None:
    torch.manual_seed(1)
    known = torch.arange(WINDOW) >= torch.tensor([0, 1, 4, 5])[:, None]
    films = torch.randn(4, WINDOW, DIM) * known[:, :, None]
    together = made(kind)(films, known)
    for i in range(4):
        assert torch.allclose(together[i], made(kind)(films[i : i + 1], known[i : i + 1])[0], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_film_is_zeros_and_order_matters(kind: Encoder) -> None:
    known = torch.tensor([[False] * WINDOW, [True] * WINDOW])
    films = torch.randn(2, WINDOW, DIM) * known[:, :, None]
    out = made(kind)(films, known)
    assert (out[0] == 0).all()
    assert not out.isnan().any()
    assert not torch.allclose(out[1], made(kind)(films.flip(1), known)[1], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_film(kind: Encoder) -> None:
    known = torch.tensor([[True] * WINDOW, [False] * 2 + [True] * 4])
    films = (torch.randn(2, WINDOW, DIM) * known[:, :, None]).requires_grad_()
    made(kind)(films * known[:, :, None], known).square().sum().backward()
    assert films.grad is not None
    assert (films.grad[0].abs().sum(dim=1) > 0).all()
    assert (films.grad[1, :2] == 0).all()


def test_the_mean_weighs_by_half_lives() -> None:
    """Two heads begin with half-lives of one film and of the window."""
    mean = RecencyMean(1, WINDOW, 2)
    torch.nn.init.eye_(mean.out.weight)
    mean.out.weight.data = torch.tensor([[1.0, 0.0]])
    films = torch.tensor([[[5.0], [3.0], [1.0]]])
    known = torch.ones(1, 3, dtype=torch.bool)
    assert mean(films, known).item() == pytest.approx((1 + 3 / 2 + 5 / 4) / 1.75)
    half = 2 ** (-1 / WINDOW)
    mean.out.weight.data = torch.tensor([[0.0, 1.0]])
    assert mean(films, known).item() == pytest.approx((1 + 3 * half + 5 * half**2) / (1 + half + half**2))


def test_only_the_newest_state_is_worked_out_in_the_last_layer() -> None:
    """The same as working out all states and taking the newest."""
    model = made("transformer", layers=2)
    assert isinstance(model, WindowTransformer)
    films, known = torch.randn(3, WINDOW, DIM), torch.ones(3, WINDOW, dtype=torch.bool)
    states = films + model.age
    for block in model.blocks:
        states = block(states, states, known)
    assert torch.allclose(model(films, known), model.norm(states)[:, -1], atol=1e-5)
