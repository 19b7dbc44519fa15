"""LightGCN: its propagation against dense matrix powers, its users against the graph's own, films without ratings."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from models.dataset import Dataset
from models.ids import Ids
from models.recall.graph.graph import build_graph, film_and_message, film_layers, people_edges, pooled, user_edges
from models.recall.graph.light_gcn import LightGCN
from models.recall.nn import histories
from models.recall.nn.pasts import Pasts, newest_first
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PER_GROUP, PlantedStore, group_of, planted

CPU = torch.device("cpu")
SMALL = {"dim": 16, "batch": 256, "epochs": 8, "learning_rate": 0.02}


class TestLightGCN(RecallContract):
    kind = "light_gcn"
    small = SMALL


class TestWithoutPeople(RecallContract):
    kind = "light_gcn"
    small = SMALL | {"people": 0.0, "service": "recall_history_v1", "negatives": 64, "index": "hnsw"}


class World:
    """Nine films, seven users, four people; one film without an edge, one with people alone."""

    def __init__(self, weight: float) -> None:
        rng = np.random.default_rng(0)
        self.rated = rng.random((9, 7)) < 0.4
        self.rated[[3, 8]] = False
        credits = rng.random((9, 4)) < 0.4
        credits[3], credits[8] = False, [True, False, True, False]
        self.edges = [sparse.csr_matrix(part.astype(np.float32)) for part in (self.rated, weight * credits)]
        self.films = rng.normal(size=(9, 5)).astype(np.float32)
        self.people = rng.normal(size=(4, 5)).astype(np.float32) * (weight > 0)

    def dense(self, layers: int) -> list[np.ndarray]:
        """E(0) ... E(layers) of all nodes (20, 5), by powers of the whole normalised adjacency."""
        block = sparse.hstack(self.edges).toarray()
        adjacency = np.block([[np.zeros((9, 9)), block], [block.T, np.zeros((11, 11))]])
        degree = adjacency.sum(axis=1)
        root = np.diag([0.0 if d == 0 else d**-0.5 for d in degree])
        normal = root @ adjacency @ root
        first = np.concatenate([self.films, np.zeros((7, 5)), self.people])
        return [np.linalg.matrix_power(normal, n) @ first for n in range(layers + 1)]

    def layers(self, n: int) -> list[Any]:
        self.graph = build_graph(self.edges, CPU)
        others = torch.from_numpy(np.concatenate([np.zeros((7, 5), np.float32), self.people]))
        return film_layers(self.graph, torch.from_numpy(self.films), others if self.people.any() else None, n)


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_propagation_is_powers_of_the_adjacency(n: int, weight: float) -> None:
    world = World(weight)
    for found, expected in zip(world.layers(n), world.dense(n), strict=True):
        if found is None:
            assert not expected[:9].any()
        else:
            assert np.allclose(found, expected[:9], atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_users_whole_history_gives_the_graphs_own_vector(weight: float) -> None:
    """The mean of the layers, E(0) of users being zero: they have no id. In any order of the films."""
    world = World(weight)
    film, message = film_and_message(world.graph, found) if (found := world.layers(3)) else (None, None)
    expected = np.mean(world.dense(3), axis=0)
    assert np.allclose(film, expected[:9], atol=1e-5)
    for user, rated in enumerate(world.rated.T):
        past = torch.from_numpy(np.concatenate([[0], np.flatnonzero(rated)[::-1] + 1, [0]]))
        assert np.allclose(pooled(message, past[None], 0.0)[0], expected[9 + user], atol=1e-5)


def test_the_gradient_is_that_of_dense_products() -> None:
    edges = World(0.0).edges[:1]
    graph = build_graph(edges, CPU)
    slow, fast = (torch.ones(9, 3).mul_(torch.arange(9)[:, None]).requires_grad_() for _ in range(2))
    normal = graph.to_films.to_dense()
    (normal @ (normal.T @ slow)).square().sum().backward()
    layer = film_layers(graph, fast, None, 2)[2]
    assert layer is not None
    layer.square().sum().backward()
    assert torch.allclose(slow.grad, fast.grad, atol=1e-4)  # type: ignore[arg-type]


def test_a_lately_rated_film_weighs_more() -> None:
    messages = torch.eye(3)
    past = torch.tensor([[3, 1, 0]])  # film 2, then film 0, then nothing
    total = 1 + 2**-1.5
    expected = np.array([2**-1.5, 0, 1]) / np.sqrt(total)
    assert np.allclose(pooled(messages, past, 1.5)[0], expected)


def test_a_past_is_what_lies_strictly_before_the_second() -> None:
    users = pa.table({
        "user_seen_movie_ids": [[10, 11, 12, 13, 14], [15, 10], [11]],
        "user_seen_ratings": [[4.0] * 5, [4.0] * 2, [4.0]],
        "user_seen_timestamps": [[5, 7, 7, 9, 9], [3, 3], [8]],
    })  # fmt: skip
    flat = histories.flatten(users, Ids(np.arange(10, 16)))
    past, film = Pasts(flat, 2).take(np.arange(4))
    found = {int(one) + 10: row.tolist() for one, row in zip(film, past + 9, strict=True)}
    assert found == {11: [10, 9], 12: [10, 9], 13: [12, 11], 14: [12, 11]}
    assert newest_first(flat, histories.latest(flat, 9)).tolist() == [[5, 4, 3, 2, 1], [1, 6, 0, 0, 0], [2, 0, 0, 0, 0]]


def test_an_edge_counts_once() -> None:
    """A director who acts in the film too; a film rated twice."""
    catalogue = pa.table({
        "movie_id": [7, 8, 9], "movie_director_ids": [[1], None, [3]], "movie_cast_ids": [[1, 2], [2], []],
    })  # fmt: skip
    assert people_edges(catalogue, Ids(np.array([8, 7]))).toarray().tolist() == [[0, 1, 0], [1, 1, 0]]
    users = pa.table({
        "user_seen_movie_ids": [[7, 8, 7]], "user_seen_ratings": [[1.0] * 3], "user_seen_timestamps": [[1, 2, 3]],
    })  # fmt: skip
    assert user_edges(histories.flatten(users, Ids(np.array([7, 8]))), 2).toarray().tolist() == [[1], [1]]


@pytest.fixture(scope="module")
def without_film() -> tuple[LightGCN, Dataset]:
    """A world in which nobody rated film 1003, but its director and actors are known; film 1029 neither."""
    ratings = planted()
    data = Dataset(PlantedStore(ratings[~ratings["movie_id"].isin([1003, 1029])]))  # type: ignore[arg-type]
    channel: LightGCN = untrained("light_gcn", **SMALL)
    channel.fit(data, "train")
    return channel, data


def test_people_bring_a_film_that_nobody_rated(without_film: tuple[LightGCN, Dataset]) -> None:
    channel, data = without_film
    frame = pd.DataFrame({"user_id": [6, 1], "event_timestamp": pd.Timestamp("2021-06-01")})  # of groups 0 and 1
    ids, _ = channel.recommend(data.users(channel.config.service, frame), 180)
    place = [int(np.flatnonzero(row == 1003)[0]) for row in ids]
    assert place[0] < PER_GROUP
    assert place[1] > PER_GROUP
    assert all(group_of(int(film)) == 0 for film in ids[0, : PER_GROUP - 1])
    assert 1029 not in ids


def test_a_user_who_was_not_there_in_training_is_answered_by_their_films_alone(
    without_film: tuple[LightGCN, Dataset],
) -> None:
    channel, data = without_film
    frame = pd.DataFrame({"user_id": [6], "event_timestamp": pd.Timestamp("2021-06-01")})
    known = data.users(channel.config.service, frame)
    new = known.set_column(known.column_names.index("user_id"), "user_id", pa.array([987_654]))
    for a, b in zip(channel.recommend(known, 20), channel.recommend(new, 20), strict=True):
        assert np.array_equal(a, b)
