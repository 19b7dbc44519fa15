"""Histories and interaction matrices, against loops."""

import numpy as np
import pyarrow as pa
import pytest

from models.ids import Ids
from models.recall.history import HistoryConfig, in_order, latest, rated, watched

FILMS = Ids(np.array([10, 20, 30, 40]))


def test_a_film_counts_by_its_place_from_the_end() -> None:
    """A film that the channel does not know keeps its place; one rated twice has its last."""
    users = pa.table({"seen": pa.array([[10, 99, 20, 10, 30], None, [], [99]], pa.list_(pa.int64()))})
    config = HistoryConfig(name="x", service="s", history="seen", recency=2.0)
    expected = np.zeros((4, 4))
    expected[0] = [np.exp(-1 / 2), np.exp(-2 / 2), 1, 0]
    assert watched(users, config, FILMS).toarray() == pytest.approx(expected)
    alike = watched(users, config.model_copy(update={"recency": 0}), FILMS)
    assert alike.toarray().tolist() == [[1, 1, 1, 0], [0] * 4, [0] * 4, [0] * 4]


def test_the_latest_ratings_of_each_user() -> None:
    rng = np.random.default_rng(0)
    user, moment = rng.integers(0, 5, 200), rng.integers(0, 30, 200)
    for most in (1, 7, 39, 200):
        expected = np.zeros(200, bool)
        for one in range(5):
            own = sorted(np.flatnonzero(user == one), key=lambda at: (moment[at], at))
            expected[own[-most:]] = True
        assert np.array_equal(latest(user, moment, most), expected)


def test_who_rated_what() -> None:
    events = pa.table({
        "user_id": [7, 3, 7, 7, 3], "movie_id": [20, 10, 20, 30, 30], "event_timestamp": [5, 1, 2, 9, 0],
    }).set_column(2, "event_timestamp", pa.array([5, 1, 2, 9, 0], pa.timestamp("us")))  # fmt: skip
    seen, users, films = rated(events)
    assert (users.values.tolist(), films.values.tolist()) == ([3, 7], [10, 20, 30])
    assert seen.toarray().tolist() == [[1, 0, 1], [0, 1, 1]]
    assert rated(events, most=1)[0].toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    user, film, moment = in_order(events, films)
    assert user.tolist() == [3, 3, 7, 7, 7]
    assert film.tolist() == [2, 0, 1, 1, 2]
    assert moment.tolist() == [0, 1, 2, 5, 9]
