"""The two-tower model: every field of its configuration does something, and training goes on where it was stopped."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.dataset import Dataset, Split
from models.recall.two_tower.model import TwoTower
from models.recall.two_tower.towers import FilmInputs
from models.recall.two_tower.training import Training
from tests.models.conftest import SMALL, untrained
from tests.models.synthetic import PlantedStore, planted

SHORT = SMALL["two_tower"] | {"epochs": 3}


class Remembered(Dataset):
    """A data set that works each table out once; many models are fitted on it here."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.catalogue = cache(super().catalogue)  # type: ignore[method-assign]
        self.once: dict[str, Any] = {}

    def users(self, service: str, entities: Any) -> pa.Table:
        return self.once.setdefault(f"users {len(entities)}", super().users(service, entities))

    def seen(self, entities: Any) -> list[np.ndarray]:
        found: list[np.ndarray] = self.once.setdefault(f"seen {len(entities)}", super().seen(entities))
        return found


@pytest.fixture(scope="module")
def world() -> Dataset:
    return Remembered(PlantedStore(planted(users=90)))


def fitted(world: Dataset, until: Split = "train", run: Path | None = None, **changes: Any) -> TwoTower:
    model: TwoTower = untrained("two_tower", **(SHORT | changes))
    model.run = run
    model.fit(world, until)
    return model


def askers(world: Dataset, model: TwoTower) -> pa.Table:
    """The user features of each training rating, of its own moment."""
    frame = world.interactions("train").select(["user_id", "event_timestamp"]).to_pandas()
    return world.users(model.config.service, frame)


VARIANTS: dict[str, dict[str, Any]] = {
    "gru": {"history": "gru"},
    "transformer": {"history": "transformer", "heads": 2, "layers": 2},
    "inner product": {"normalise": False, "temperature": 1.0},
    "no gates": {"senet": False},
    "no user id": {"user_id": False},
    "no context": {"user_context": False},
    "no people": {"film_people": []},
    "no text": {"film_text": []},
    "no genres": {"film_genres": False, "user_genres": []},
    "no film statistics": {"film_counts": [], "film_numbers": []},
    "in-batch alone": {"uniform": 0},
    "uniform": {"uniform": 64},
    "rated low": {"hard_low_rated": 2},
    "popular": {"hard_popular": 2, "popular": 30},
    "same genre": {"hard_same_genre": 2},
    "stale": {"hard_stale": 2, "window": 4},
    "online": {"online_hard": 5},
    "no correction": {"log_q": 0.0},
    "ratings": {"rating_weight": 0.5},
    "half precision": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_each_field_changes_the_model_and_it_still_learns(
    name: str, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group's 30 films of 180 fit into the 50 places; by chance .28 would be found. As exported, it is the same."""
    monkeypatch.setattr("models.training.multiplies_bfloat16", lambda where: True)
    published = untrained("two_tower").config
    if all(getattr(published, field) == value for field, value in VARIANTS[name].items()):
        pytest.skip("as configured")
    model = fitted(world, **VARIANTS[name])
    assert model.metrics["validation_recall@50"] > 0.6
    assert not np.array_equal(model.vectors, as_configured(world).vectors)
    model.save(tmp_path / "two_tower")
    loaded = TwoTower.load(tmp_path / "two_tower", world.store)
    users = askers(world, model).slice(0, 20)
    vectors, known = model.user_vectors(users)
    for i in range(users.num_rows):
        alone = loaded.user_vectors(users.slice(i, 1))
        assert np.allclose(alone[0][0], vectors[i], atol=1e-5)
        assert alone[1][0] == known[i]


@cache
def as_configured(world: Dataset) -> TwoTower:
    return fitted(world)


def test_a_killed_training_goes_on_to_the_same_weights(
    world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negatives, hidden ids and dropout are drawn anew after the checkpoint as they would have been."""
    changes = {"uniform": 32, "hard_popular": 2, "hard_same_genre": 1, "popular": 30, "epochs": 4}
    whole = fitted(world, **changes)
    calls, loss = 0, Training.loss

    def killed(self: Training, batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > 2 * len(self.batches(np.random.default_rng(0))) + 1:  # within the third epoch
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(Training, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(world, run=tmp_path, **changes)
    monkeypatch.setattr(Training, "loss", loss)
    resumed = fitted(world, run=tmp_path, **changes)
    assert resumed.metrics == whole.metrics
    for name, tensor in whole.tensors().items():
        assert np.array_equal(tensor, resumed.tensors()[name]), name


def test_the_seed_decides(world: Dataset) -> None:
    assert np.array_equal(fitted(world).vectors, as_configured(world).vectors)
    assert not np.array_equal(fitted(world, seed=1).vectors, as_configured(world).vectors)


def test_a_film_nobody_rated_has_a_vector_by_its_content(world: Dataset) -> None:
    """Its id is unknown, so its own row of the table, whatever stands there, changes nothing."""
    ratings = planted(users=90)
    gone = ratings["movie_id"].max()
    model = untrained("two_tower", **SHORT)
    model.fit(Dataset(PlantedStore(ratings[ratings["movie_id"] != gone])), "train")  # type: ignore[arg-type]
    row = model.films.rows(np.array([gone]))[0]
    assert not model.trained[row]
    catalogue = world.catalogue(model.config.service, "train")
    facts = model.features.facts(catalogue)
    before = model._film_vectors(facts)
    model.network.film_id.weight.data[row + 1] += 100.0
    after = model._film_vectors(facts)
    assert np.array_equal(before[row], after[row])
    assert np.isfinite(before[row]).all()
    model.network.film_id.weight.data[1] += 100.0
    assert not np.array_equal(before[0], model._film_vectors(facts)[0])


def test_untrained_films_are_left_out_of_the_window_and_the_rest_move_up(world: Dataset) -> None:
    model = as_configured(world)
    films = model.films.values
    table = askers(world, model).slice(0, 1)
    recent = [int(films[3]), 999_999, int(films[5])]
    table = table.set_column(table.column_names.index("user_recent_movie_ids"), "user_recent_movie_ids", [[recent]])
    history = model.features.of_users(table, model.films, model.trained).history[0].tolist()
    assert history[-2:] == [4, 6]
    assert not any(history[:-2])


def test_people_of_one_film_alone_are_nobody(world: Dataset) -> None:
    model: TwoTower = untrained("two_tower", **SHORT)
    events = askers(world, model)
    catalogue = world.catalogue(model.config.service, "train").slice(0, 4)
    lists = {"movie_director_ids": [[7], [7], [8], None], "movie_cast_ids": [[8, 9], [], [10, 11], [11, 11]]}
    for name, values in lists.items():
        column = pa.array(values, pa.list_(pa.int64()))
        catalogue = catalogue.set_column(catalogue.column_names.index(name), name, column)
    model.features.fit(events, catalogue)
    assert model.features.people.values.tolist() == [7, 8, 11]  # 8 directs one film and plays in another
    people = model.features.facts(catalogue).people
    assert [sorted(set(row.tolist()) - {0}) for row in people[:, 0]] == [[], [1], [1], [2], []]
    assert [sorted(set(row.tolist()) - {0}) for row in people[:, 1]] == [[], [2], [], [3], [3]]


def test_facts_of_no_film_are_zeros(world: Dataset) -> None:
    model = as_configured(world)
    facts = model.features.facts(world.catalogue(model.config.service, "train"))
    made = facts.films(torch.tensor([0, 2]))
    assert isinstance(made, FilmInputs)
    assert made.id.tolist() == [0, 2]
    assert all((part[0] == 0).all() for part in made)
