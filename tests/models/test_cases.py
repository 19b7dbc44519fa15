"""Whom the protocols ask about: nothing of the answer is in the question."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.evaluation import cases


@pytest.fixture
def data() -> Any:
    """Two users: one with six ratings before the cut-off and two after, one who starts after it."""
    day = pd.Timestamp("2000-01-01")
    rows = [(1, 100 + n, day + pd.Timedelta(days=n), "train") for n in range(6)]
    rows += [(1, 200, day + pd.Timedelta(days=50), "test"), (1, 201, day + pd.Timedelta(days=50), "test")]
    rows += [(2, 300, day + pd.Timedelta(days=60), "test"), (2, 301, day + pd.Timedelta(days=61), "test")]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "split_time"])
    frame["rating_id"] = range(len(frame))

    def interactions(*splits: str) -> pa.Table:
        kept = frame[frame["split_time"].isin(splits)] if splits else frame
        return pa.Table.from_pandas(kept, preserve_index=False)

    return SimpleNamespace(
        interactions=interactions,
        split_column="split_time",
        cut_off=lambda until: (day + pd.Timedelta(days=50)).tz_localize("UTC"),
    )


def test_ratings_of_the_same_second_are_not_before_each_other(data: Any) -> None:
    assert cases.held_out(data)["earlier"].tolist() == [6, 6, 0, 1]


def test_streaming_asks_warm_users_at_the_moment_of_their_film(data: Any) -> None:
    asked = cases.streaming(cases.held_out(data), seed=0)
    assert asked.frame["user_id"].tolist() == [1]
    assert asked.frame["event_timestamp"][0] == pd.Timestamp("2000-02-20")
    assert asked.targets[0][0] in (200, 201)
    cold = cases.streaming(cases.held_out(data), seed=0, warm=False)
    assert cold.frame["user_id"].tolist() == [2]


def test_frozen_asks_at_the_cut_off(data: Any) -> None:
    test = cases.held_out(data)
    everything = cases.frozen_all(data, test)
    assert everything.frame["user_id"].tolist() == [1]
    assert sorted(everything.targets[0]) == [200, 201]
    one = cases.frozen_one(data, test, seed=1)
    assert one.frame["event_timestamp"].tolist() == [pd.Timestamp("2000-02-20")]


def test_draws_differ_by_seed_and_repeat_with_it(data: Any) -> None:
    test = cases.held_out(data)
    drawn = {int(cases.streaming(test, seed).targets[0][0]) for seed in range(20)}
    assert drawn == {200, 201}
    assert np.array_equal(cases.streaming(test, 3).targets, cases.streaming(test, 3).targets)
