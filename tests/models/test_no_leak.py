"""What comes after the cut-off cannot change a model trained before it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.dataset import Dataset, Protocol
from tests.models.conftest import KINDS, untrained
from tests.models.synthetic import GROUPS, PER_GROUP, PlantedStore, planted


def other_future(ratings: pd.DataFrame) -> pd.DataFrame:
    """The same ratings up to the test split, then other users, films and ratings at the same moments."""
    rng = np.random.default_rng(7)
    ratings = ratings.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    later = ratings.index >= 0.9 * len(ratings)
    n = int(later.sum())
    ratings.loc[later, "user_id"] = rng.integers(500, 520, n)
    ratings.loc[later, "movie_id"] = 1000 + rng.integers(0, GROUPS * PER_GROUP, n)
    ratings.loc[later, "rating"] = 0.5
    return ratings


def fitted(kind: str, ratings: pd.DataFrame) -> dict[str, np.ndarray]:
    model = untrained(kind)
    model.epochs = 2
    model.fit(Dataset(PlantedStore(ratings)), "validation")  # type: ignore[arg-type]
    tensors: dict[str, np.ndarray] = model.tensors()
    return tensors


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_changes_no_weight(kind: str) -> None:
    ratings = planted(users=60)
    before, after = fitted(kind, ratings), fitted(kind, other_future(ratings))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert np.array_equal(tensor, after[name]), name


@pytest.mark.parametrize("protocol", ["time", "leave-one-out"])
def test_the_splits_part_the_ratings(protocol: Protocol, store: Any) -> None:
    data = Dataset(store, protocol)
    sizes = [data.interactions(split).num_rows for split in ("train", "validation", "test")]
    assert sum(sizes) == data.interactions().num_rows
    assert min(sizes) > 0


def test_the_cut_off_is_the_next_splits_first_moment(data: Dataset) -> None:
    cut = pd.Timestamp(data.cut_off("train")).tz_localize(None)
    assert data.interactions("train").to_pandas()["event_timestamp"].max() <= cut
    assert data.interactions("validation").to_pandas()["event_timestamp"].min() == cut


def test_the_data_hash_tells_data_apart(data: Dataset) -> None:
    ratings = planted()
    assert Dataset(PlantedStore(ratings)).data_hash == data.data_hash  # type: ignore[arg-type]
    ratings.loc[0, "rating"] += 0.5
    assert Dataset(PlantedStore(ratings)).data_hash != data.data_hash  # type: ignore[arg-type]
