"""Channels that compare vectors: each index against a plain product, and everything strange that can be asked."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureStore

from models.dataset import Dataset, Split
from models.ids import Ids
from models.recall.search.index import IndexConfig, build_index, search
from models.recall.search.vectors import VectorConfig, VectorRecaller

TRAINED = {"epochs": 1, "patience": 1, "learning_rate": 0.1, "weight_decay": 0.0}


def clustered(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Vectors of length one around a few dozen centres that all seeds share, as films lie."""
    centres = np.random.default_rng(0).normal(size=(40, dim))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(40, size=n)] + 0.4 * rng.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Given(VectorRecaller):
    """A channel whose vectors are given: a user's are in columns `first`, `second`, ..."""

    Config = VectorConfig

    def __init__(self, vectors: np.ndarray, **settings: Any) -> None:
        super().__init__(VectorConfig(name="given", service="none", **(TRAINED | settings)))
        self.films = Ids(1000 + 10 * np.arange(len(vectors)))
        self.index_films(vectors)

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        columns = [np.array(users[name].to_pylist(), np.float32) for name in users.column_names]
        asked = np.stack(columns, axis=1).reshape(users.num_rows, users.num_columns, self.vectors.shape[1])
        return asked, ~(asked == 0).all(axis=(1, 2))

    def fit(self, data: Dataset, until: Split) -> None: ...

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None: ...


def users(*interests: np.ndarray) -> pa.Table:
    return pa.table({f"interest{i}": list(vectors) for i, vectors in enumerate(interests)})


def plain(channel: Given, scores: np.ndarray, k: int, exclude: list[np.ndarray]) -> np.ndarray:
    found = np.full((len(scores), k), -1)
    for i, line in enumerate(scores):
        order = [film for film in np.argsort(-line) if channel.films.values[film] not in exclude[i]][:k]
        found[i, : len(order)] = channel.films.values[order]
    return found


def test_flat_is_the_plain_product() -> None:
    vectors, asked = clustered(300), clustered(20, seed=1)
    channel = Given(vectors)
    exclude = [np.random.default_rng(i).choice(channel.films.values, 40) for i in range(20)]
    ids, scores = channel.recommend(users(asked), 12, exclude)
    assert np.array_equal(ids, plain(channel, asked @ vectors.T, 12, exclude))
    at = channel.films.rows(ids)
    assert np.allclose(scores, np.take_along_axis(asked @ vectors.T, at, axis=1), atol=1e-5)


def test_several_vectors_are_their_best() -> None:
    """A film counts once, with the interest it fits best."""
    vectors, one, two = clustered(200), clustered(10, seed=1), clustered(10, seed=2)
    channel = Given(vectors)
    ids, scores = channel.recommend(users(one, two), 15)
    best = np.maximum(one @ vectors.T, two @ vectors.T)
    assert np.array_equal(ids, plain(channel, best, 15, [np.empty(0)] * 10))
    assert np.allclose(scores, -np.sort(-best, axis=1)[:, :15], atol=1e-5)


@pytest.mark.parametrize(("index", "least"), [("hnsw", 0.97), ("ivf", 0.97)])
def test_approximate_indexes_find_what_flat_finds(index: str, least: float) -> None:
    """Recall@50 against the exact search over 5,000 films."""
    vectors, asked = clustered(5000), clustered(200, seed=1)
    exact = np.argsort(-(asked @ vectors.T), axis=1)[:, :50]
    config = IndexConfig(name="a", service="b", index=index)  # type: ignore[arg-type]
    _, rows = search(build_index(vectors, config), asked, 50, config)
    recall = np.mean([len(set(a) & set(b)) / 50 for a, b in zip(exact, rows, strict=True)])
    assert recall >= least


def test_fewer_probes_find_less() -> None:
    """What IVF's settings are for: one list of many is not enough."""
    vectors, asked = clustered(5000), clustered(200, seed=1)
    exact = np.argsort(-(asked @ vectors.T), axis=1)[:, :50]
    found = []
    for probes in (1, 4, 128):
        config = IndexConfig(name="a", service="b", index="ivf", ivf_probes=probes)
        _, rows = search(build_index(vectors, config), asked, 50, config)
        found.append(np.mean([len(set(a) & set(b)) / 50 for a, b in zip(exact, rows, strict=True)]))
    assert found[0] < found[1] < found[2]
    assert found[2] == 1  # every list is looked into


def test_the_seed_makes_the_same_lists() -> None:
    vectors, asked = clustered(2000), clustered(50, seed=1)
    config = IndexConfig(name="a", service="b", index="ivf", ivf_probes=1)
    one, two = (search(build_index(vectors, config), asked, 20, config)[1] for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("index", ["flat", "hnsw", "ivf"])
def test_more_places_than_films(index: str) -> None:
    channel = Given(clustered(30), index=index, ivf_probes=1)
    ids, scores = channel.recommend(users(clustered(4, seed=1)), 50)
    assert ids.shape == (4, 50)
    for row, values in zip(ids, scores, strict=True):
        found = row[row >= 0]
        assert len(set(found)) == len(found) >= 25
        assert np.isneginf(values[len(found) :]).all()
        assert (row[len(found) :] == -1).all()


@pytest.mark.parametrize("index", ["flat", "hnsw", "ivf"])
def test_all_excluded_leaves_nothing(index: str) -> None:
    channel = Given(clustered(60), index=index)
    everything, most = channel.films.values, channel.films.values[:-1]
    ids, scores = channel.recommend(users(clustered(2, seed=1)), 3, [everything, most])
    assert ids.tolist() == [[-1, -1, -1], [everything[-1], -1, -1]]
    assert np.isneginf(scores[0]).all()


@pytest.mark.parametrize("index", ["flat", "hnsw", "ivf"])
def test_not_a_number_and_an_unknown_user_get_nothing(index: str) -> None:
    asked = clustered(3, seed=1)
    asked[0] = np.nan
    asked[1] = 0  # not known
    ids, scores = Given(clustered(100), index=index).recommend(users(asked), 5)
    assert (ids[:2] == -1).all()
    assert np.isneginf(scores[:2]).all()
    assert (ids[2] >= 0).all()


def test_excluded_films_that_are_not_there_do_no_harm() -> None:
    channel = Given(clustered(50))
    asked = users(clustered(2, seed=1))
    strange = [np.array([-1, 7, 10**12]), np.array([], np.int64)]
    assert np.array_equal(channel.recommend(asked, 5, strange)[0], channel.recommend(asked, 5)[0])


@pytest.mark.parametrize("index", ["flat", "hnsw", "ivf"])
def test_nobody_asks(index: str) -> None:
    ids, scores = Given(clustered(100), index=index).recommend(users(clustered(2)).slice(0, 0), 5, [])
    assert ids.shape == scores.shape == (0, 5)


def test_a_very_small_catalogue_has_one_list() -> None:
    config = IndexConfig(name="a", service="b", index="ivf")
    index = build_index(clustered(7), config)
    assert index.nlist == 1
    assert sorted(search(index, clustered(1), 9, config)[1][0][:7]) == list(range(7))
