"""Recall channels on a world whose answer is known, and on everything a live system may hand them."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from models.dataset import Dataset
from models.recall.item_cf import cosine_neighbours
from models.recall.popularity import Popularity, PopularityConfig
from models.recall.two_tower import TwoTower
from tests.models.conftest import KINDS, untrained
from tests.models.synthetic import GROUPS, PER_GROUP, PlantedStore, group_of

SERVICE = "recall_two_tower_v1"  # its user half holds what every channel reads


@pytest.fixture(scope="module")
def asked(data: Dataset) -> tuple[pa.Table, list[np.ndarray], np.ndarray]:
    """Validation events of users with a past: user features, films seen, the film itself."""
    events = data.interactions("validation").to_pandas()
    frame = events[["user_id", "event_timestamp"]]
    users, seen = data.users(SERVICE, frame), data.seen(frame)
    warm = np.array([len(films) >= 3 for films in seen])
    kept = np.flatnonzero(warm)
    return users.filter(pa.array(warm)), [seen[i] for i in kept], events["movie_id"].to_numpy()[warm]


def hit_rate(channel: Any, asked: tuple[pa.Table, list[np.ndarray], np.ndarray], k: int) -> float:
    users, seen, films = asked
    ids, _ = channel.recommend(users, k, seen)
    return float((ids == films[:, None]).any(axis=1).mean())


@pytest.mark.parametrize("kind", ["item_cf", "two_tower"])
def test_finds_the_planted_group(kind: str, channels: dict[str, Any], asked: Any) -> None:
    """A user's group has 30 films, so 30 places hold every answer; popularity spreads them over 180 films."""
    assert hit_rate(channels["popularity"], asked, 30) < 0.35
    assert hit_rate(channels[kind], asked, 30) > 0.85
    ids, _ = channels[kind].recommend(asked[0], 3, asked[1])
    group = [group_of(int(films[-1])) for films in asked[1]]
    assert np.mean([[group_of(int(film)) == g for film in row] for row, g in zip(ids, group, strict=True)]) > 0.9


def test_training_stops_at_the_best_epoch(channels: dict[str, Any], data: Dataset) -> None:
    towers: TwoTower = channels["two_tower"]
    assert towers.epochs is not None
    assert 1 <= towers.epochs <= 6
    assert towers.metrics["validation_recall@50"] > 0.9
    assert towers.refit(data, "validation").epochs == towers.epochs


def test_popularity_is_the_order_of_the_counts() -> None:
    """Film 1000 has three ratings by then, 1001 and 1002 two, 1003 one; 1004 is only rated afterwards."""
    day = pd.Timestamp("2020-01-01")
    films = [1000, 1002, 1001, 1000, 1002, 1001, 1000, 1003, 1004, 1004]
    rows = [(user, film, day + pd.Timedelta(days=user), 4.0) for user, film in enumerate(films, 1)]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"])
    channel = untrained("popularity")
    channel.fit(Dataset(PlantedStore(ratings)), "train")  # type: ignore[arg-type]
    users = pa.table({"user_id": [1, 2]})
    ids, scores = channel.recommend(users, 6, [np.array([], np.int64), np.array([1002, 77])])
    assert ids.tolist() == [[1000, 1001, 1002, 1003, -1, -1], [1000, 1001, 1003, -1, -1, -1]]
    assert scores[0].tolist() == [3, 2, 2, 1, -np.inf, -np.inf]


def test_neighbours_are_the_largest_cosines() -> None:
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 25)) < 0.3).astype(np.float32)
    dense[:, 7] = 0  # a film that nobody saw
    count = dense.sum(axis=0).astype(np.float64)
    cosine = dense.T @ dense / np.sqrt(np.maximum(np.outer(count, count), 1))
    np.fill_diagonal(cosine, 0)
    kept = np.zeros_like(cosine)
    for film, row in enumerate(cosine):
        near = np.argsort(-row, kind="stable")[:5]
        kept[film, near] = row[near]
    assert np.allclose(cosine_neighbours(sparse.csr_matrix(dense), 5).toarray(), kept, atol=1e-6)


def test_item_cf_adds_up_cosines_and_names_who_spoke(channels: dict[str, Any]) -> None:
    channel = channels["item_cf"]
    watched = channel.films.values[[0, 1]]
    user = pa.table({"user_recent_movie_ids": [[int(film) for film in watched]]})
    ids, scores = channel.recommend(user, 1)
    row = channel.films.rows(ids[0])[0]
    assert scores[0, 0] == pytest.approx(channel.similar[0, row] + channel.similar[1, row])
    most = watched[int(channel.similar[1, row] > channel.similar[0, row])]
    assert channel.contributors(user, ids[0])[0][0] == most
    assert channel.contributors(user, np.array([-5])) == [[]]


@pytest.mark.parametrize("kind", KINDS)
def test_never_an_excluded_film_and_padded_to_k(kind: str, channels: dict[str, Any], asked: Any) -> None:
    users, seen, _ = asked
    ids, scores = channels[kind].recommend(users, 500, seen)
    assert ids.shape == scores.shape == (users.num_rows, 500)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    assert ((ids == -1) == np.isneginf(scores)).all()
    for row, films, values in zip(ids, seen, scores, strict=True):
        found = row[row >= 0]
        assert len(set(found)) == len(found)
        assert not set(found) & set(films)
        assert (np.diff(values[: len(found)]) <= 0).all()
        assert (row[len(found) :] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_everything_seen_leaves_nothing(kind: str, channels: dict[str, Any], asked: Any) -> None:
    everything = np.arange(1000, 1000 + GROUPS * PER_GROUP)
    ids, _ = channels[kind].recommend(asked[0].slice(0, 1), 10, [everything])
    assert (ids == -1).all()


def test_an_unknown_user_gets_popularity_alone(channels: dict[str, Any], asked: Any) -> None:
    """Nulls everywhere, typed as history types them or not at all as an online store answers."""
    users = asked[0]
    typed = pa.table({name: pa.nulls(1, users.schema.field(name).type) for name in users.column_names})
    untyped = pa.table({name: pa.nulls(1) for name in users.column_names})
    for table in (typed, untyped):
        assert (channels["popularity"].recommend(table, 5)[0] >= 0).all()
        assert (channels["item_cf"].recommend(table, 5)[0] == -1).all()
        assert (channels["two_tower"].recommend(table, 5)[0] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_strange_values_do_no_harm(kind: str, channels: dict[str, Any], asked: Any) -> None:
    """A film that training never saw in the history, not-a-number features, a null list, no user at all."""
    users = asked[0].slice(0, 1)
    films = [999_999, *users["user_recent_movie_ids"][0].as_py()]
    for name, value in (
        ("user_recent_movie_ids", [films]),
        ("user_mean_rating", [float("nan")]),
        ("user_genre_share", [None]),
        ("user_id", [999_999]),
    ):
        users = users.set_column(users.column_names.index(name), name, pa.array(value))
    ids, scores = channels[kind].recommend(users, 5)
    assert (ids >= 0).all()
    assert np.isfinite(scores).all()
    assert channels[kind].recommend(users.slice(0, 0), 5, [])[0].shape == (0, 5)


def test_recent_popularity_counts_the_last_days_before_the_cut_off() -> None:
    """Film 1000 was rated most, long ago; of late it was 1001."""
    day = pd.Timestamp("2020-01-01")
    at = [(1000, n) for n in range(5)] + [(1001, 400 + n) for n in range(3)] + [(1002, 500), (1003, 501)]
    rows = [(user, film, day + pd.Timedelta(days=n), 4.0) for user, (film, n) in enumerate(at, 1)]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"])
    config = PopularityConfig.read("popularity_recent")
    channel = Popularity(config)
    channel.fit(Dataset(PlantedStore(ratings)), "train")  # type: ignore[arg-type]
    ids, scores = channel.recommend(pa.table({"user_id": [1]}), 3)
    assert ids.tolist() == [[1001, -1, -1]]
    assert scores[0, 0] == 3
