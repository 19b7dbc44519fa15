"""Shards of samples made in other ways: several at once or one by one, by several processes, of another size."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.store import load_store
from models.columns import integers as ids
from models.columns import microseconds
from models.dataset import Dataset
from models.rank.config import RankConfig
from models.rank.samples import shards
from models.rank.samples.maker import Recipe, prepare
from models.rank.samples.samples import Samples, read
from models.recall.merging import Merging
from models.registry import model_class
from models.served import RANKER
from models.train import fit_channel
from tests.conftest import Built


@pytest.fixture
def recipe(in_workspace: Built, tmp_path: Path) -> Recipe:
    """Popularity alone, of the built workspace, in shards of 20 events."""
    return recipe_of(Dataset(load_store()), tmp_path / "one", 20)


def recipe_of(data: Dataset, folder: Path, shard: int) -> Recipe:
    config = cast(RankConfig, model_class(RANKER).Config.read(RANKER))
    config = config.changed({"samples": {"events": 100, "shard": shard, "pool": 7, "uniform": 2}})
    channels = {"popularity": fit_channel(data, "popularity")}
    return Recipe(channels, Merging.even(list(channels)), config, "validation", folder)


def made(recipe: Recipe, processes: int = 1) -> Samples:
    return read(shards.build(prepare(Dataset(load_store()), recipe), processes))


def told(samples: Samples) -> dict[tuple[int, int, int], dict[str, Any]]:
    """All features of each pair, by user, moment and film."""
    pairs = samples.pairs
    users, films = pairs.users.take(pa.array(pairs.user)), pairs.films.take(pa.array(pairs.film))
    keys = np.stack([ids(users, "user_id"), microseconds(users), ids(films, "movie_id")], axis=1).tolist()
    found: dict[tuple[int, int, int], dict[str, Any]] = {}
    for n, (key, user, film) in enumerate(zip(map(tuple, keys), users.to_pylist(), films.to_pylist(), strict=True)):
        crossed = np.array([values[n] for values in pairs.crossed.values()])
        found[key] = {"user": user, "film": film, "recall": pairs.recall[n].tolist(), "crossed": crossed}
    return found


def test_several_processes_make_the_same_samples(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does one that makes shards one by one, where they are made together otherwise."""
    first = made(recipe)
    two = made(recipe_of(Dataset(load_store()), tmp_path / "two", 20), processes=2)
    monkeypatch.setattr(shards, "TOGETHER", 20)
    alone = made(recipe_of(Dataset(load_store()), tmp_path / "alone", 20))
    assert first.groups > 0
    for other in (two, alone):
        assert other.pairs.users.equals(first.pairs.users)
        assert other.pairs.films.equals(first.pairs.films)
        assert np.array_equal(other.pairs.film, first.pairs.film)
        assert np.array_equal(other.pairs.recall, first.pairs.recall)
        assert np.array_equal(other.kind, first.kind)
        for name, values in first.pairs.crossed.items():
            assert np.array_equal(values, other.pairs.crossed[name], equal_nan=True), name


def test_shards_of_another_size_have_the_same_features(recipe: Recipe, tmp_path: Path) -> None:
    """Other negatives are drawn; what both hold is told alike, and every positive is in both.

    A cosine hangs in its last digit on where in its group the film stands.
    """
    first, other = made(recipe), made(recipe_of(Dataset(load_store()), tmp_path / "other", 7))
    assert np.array_equal(first.rating, other.rating)
    one, two = told(first), told(other)
    both = one.keys() & two.keys()
    assert len(both) > first.groups  # positives and some negatives
    for key in both:
        np.testing.assert_allclose(one[key].pop("crossed"), two[key].pop("crossed"), rtol=1e-5, atol=1e-6)
        np.testing.assert_equal(one[key], two[key])
