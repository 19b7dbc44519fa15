"""Popularity and the two towers: what all channels promise, and what each is."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from models.dataset import Dataset
from models.recall.charts.popularity import Popularity, PopularityConfig
from models.recall.two_tower.model import TwoTower
from tests.models.conftest import SMALL, untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PlantedStore


class TestPopularity(RecallContract):
    kind = "popularity"
    is_personal = False


class TestRecentPopularity(RecallContract):
    kind = "popularity_recent"
    is_personal = False


class TestTwoTower(RecallContract):
    kind = "two_tower"
    small = SMALL["two_tower"]


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
