"""The towers' parts: gates, fields that can be left out, hidden ids."""

import pytest
import torch

from models.recall.nn.context import GAPS, HOURS, WEEKDAYS
from models.recall.two_tower.towers import FilmInputs, SENet, Shape, Sizes, Towers, UserInputs

SIZES = Sizes(
    users=7, user_genres=4, user_statistics=3, context=True, films=9, film_genres=4, kinds=2, people=6, text=5,
    film_statistics=2,
)  # fmt: skip
SHAPE = Shape(
    dim=8, hidden=16, history="mean", window=5, heads=2, layers=1, senet=True, dropout=0.0, id_dropout=0.0,
    normalise=True,
)  # fmt: skip


def batch(n: int = 6) -> tuple[UserInputs, FilmInputs]:
    torch.manual_seed(0)
    moments = torch.stack([torch.randint(0, top, (n,)) for top in (HOURS, WEEKDAYS, GAPS)], dim=1)
    history = torch.randint(0, 10, (n, 5)).sort(dim=1).values.int()
    users = UserInputs(torch.randint(0, 8, (n,)), history, torch.randn(n, 4), torch.randn(n, 3), moments)
    people = torch.randint(0, 7, (n, 2, 5)).int()
    return users, FilmInputs(
        torch.randint(0, 10, (n,)), torch.randn(n, 4), people, torch.randn(n, 5), torch.randn(n, 2)
    )


def test_gates_begin_at_one_and_learn() -> None:
    torch.manual_seed(0)
    gate = SENet(3)
    fields = 3 * torch.randn(64, 3, 8)
    assert gate.gates(fields).shape == (64, 3)
    assert torch.equal(gate(fields), fields)
    gate.excite.weight.data.normal_()
    weights = gate.gates(fields)
    assert ((weights > 0) & (weights < 2)).all()
    assert torch.allclose(gate(fields)[2, 1], fields[2, 1] * weights[2, 1])
    gate(fields).square().sum().backward()
    for parameter in gate.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_the_squeeze_is_the_mean_of_a_field() -> None:
    gate = SENet(2)
    gate.excite.weight.data.normal_()
    fields = torch.randn(1, 2, 8)
    assert torch.allclose(gate.gates(fields), gate.gates(fields.mean(dim=2, keepdim=True).expand(1, 2, 8)))


@pytest.mark.parametrize("normalise", [True, False])
def test_vectors_have_length_one_if_asked(normalise: bool) -> None:
    towers = Towers(SIZES, SHAPE._replace(normalise=normalise)).eval()
    users, films = batch()
    for vectors in (towers.users(users), towers.films(films)):
        assert vectors.shape == (6, 8)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(6)) == normalise


@pytest.mark.parametrize(
    ("side", "field"),
    [("user", "id"), ("user", "genres"), ("user", "statistics"), ("user", "context"), ("user", "history"),
     ("film", "id"), ("film", "genres"), ("film", "people"), ("film", "text"), ("film", "statistics")],
)  # fmt: skip
def test_every_field_has_a_say(side: str, field: str) -> None:
    towers = Towers(SIZES, SHAPE).eval()
    users, films = batch()
    asked, answer = (users, towers.users) if side == "user" else (films, towers.films)
    changed = asked._replace(**{field: getattr(asked, field).roll(1, dims=0)})
    assert not torch.allclose(answer(asked), answer(changed), atol=1e-4)  # type: ignore[operator]


def test_fields_can_be_left_out() -> None:
    bare = SIZES._replace(
        users=0, user_genres=0, user_statistics=0, context=False, film_genres=0, kinds=0, people=0, text=0,
        film_statistics=0,
    )  # fmt: skip
    towers = Towers(bare, SHAPE._replace(senet=False)).eval()
    users, films = batch()
    users = users._replace(genres=users.genres[:, :0], statistics=users.statistics[:, :0])
    films = films._replace(
        genres=films.genres[:, :0], people=films.people[:, :0], text=films.text[:, :0],
        statistics=films.statistics[:, :0],
    )  # fmt: skip
    assert towers.users(users).shape == towers.films(films).shape == (6, 8)
    assert sum(parameter.numel() for parameter in towers.parameters()) < sum(
        parameter.numel() for parameter in Towers(SIZES, SHAPE).parameters()
    )


def test_the_history_reads_the_films_table() -> None:
    towers = Towers(SIZES, SHAPE)
    users, _ = batch()
    towers.users(users).sum().backward()
    grad = towers.film_id.weight.grad
    assert grad is not None
    read = set(users.history.flatten().tolist()) - {0}
    assert {i for i in range(10) if grad[i].abs().sum() > 0} == read


def test_ids_are_hidden_in_training_alone() -> None:
    towers = Towers(SIZES, SHAPE._replace(id_dropout=1.0))
    _, films = batch()
    stranger = films._replace(id=torch.zeros_like(films.id))
    assert torch.equal(towers.train().films(films), towers.films(stranger))
    assert not torch.allclose(towers.eval().films(films), towers.films(stranger), atol=1e-4)
