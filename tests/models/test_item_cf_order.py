"""Order-aware ItemCF, against two nested loops."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.dataset import Dataset
from models.ids import Ids
from models.recall.neighbours.item_cf_order import transitions
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PlantedStore


class TestItemCFOrder(RecallContract):
    kind = "item_cf_order"


def slowly(user: np.ndarray, film: np.ndarray, moment: np.ndarray, films: int, ahead: int, decay: float) -> np.ndarray:
    counted = np.zeros((films, films))
    for one in np.unique(user):
        at = np.flatnonzero(user == one)
        for i in range(len(at)):
            for j in range(i + 1, min(i + ahead, len(at) - 1) + 1):
                if moment[at[i]] < moment[at[j]] and film[at[i]] != film[at[j]]:
                    counted[film[at[i]], film[at[j]]] += decay ** (j - i - 1)
    return counted


@pytest.mark.parametrize(("ahead", "decay"), [(1, 0.5), (4, 0.75), (100, 0.9)])
def test_transitions(ahead: int, decay: float) -> None:
    """With ratings of one second, which lead nowhere among themselves, and films rated twice."""
    rng = np.random.default_rng(ahead)
    user = np.sort(rng.integers(0, 8, 150))
    moment = rng.integers(0, 12, 150)
    order = np.lexsort((moment, user))
    user, moment, film = user[order], moment[order], rng.integers(0, 15, 150)
    found = transitions(user, film, moment, 15, ahead, decay).toarray()
    assert found == pytest.approx(slowly(user, film, moment, 15, ahead, decay), rel=1e-5)


def test_what_follows_is_named_and_not_what_went_before() -> None:
    """Everyone watches 1000, 1001, 1002, 1003 in this order, and rates 1004 in the same second as 1001."""
    day = pd.Timestamp("2020-01-01")
    places = {1000: 0, 1001: 1, 1004: 1, 1002: 2, 1003: 3}
    rows = [
        (user, film, day + pd.Timedelta(days=9 * user + place), 4.0)
        for user in range(1, 30)
        for film, place in places.items()
    ]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"])
    store: Any = PlantedStore(ratings)
    channel = untrained("item_cf_order")
    channel.fit(Dataset(store), "train")
    ids, _ = channel.recommend(pa.table({"user_recent_movie_ids": [[1001]]}), 5)
    assert ids.tolist() == [[1002, 1003, -1, -1, -1]]


def test_damping_and_recency_by_hand(data: Dataset) -> None:
    channel = untrained("item_cf_order", neighbours=10_000)
    channel.fit(data, "train")
    c = channel.config
    events = data.interactions("train").to_pandas().sort_values(["user_id", "event_timestamp", "rating_id"])
    films = Ids(np.unique(events["movie_id"]))
    film = films.rows(events["movie_id"].to_numpy())
    m = len(films)
    counted = slowly(events["user_id"].to_numpy(), film, events["event_timestamp"].to_numpy(), m, c.ahead, c.decay)
    total = np.maximum(counted.sum(axis=1, keepdims=True), 1e-12)
    similar = counted / total**c.row / np.bincount(film, minlength=m) ** c.popularity
    expected = np.exp(-1 / c.recency) * similar[3] + similar[5]
    user = pa.table({"user_recent_movie_ids": [films.values[[3, 5]].tolist()]})
    ids, scores = channel.recommend(user, 8)
    assert scores[0] == pytest.approx(np.sort(expected)[::-1][:8], rel=1e-4)
    assert expected[films.rows(ids[0])] == pytest.approx(scores[0], rel=1e-4)
