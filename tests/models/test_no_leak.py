"""The splits part the ratings, and the data are told apart. That no channel knows the future: recall_contract.py."""

from typing import Any

import pandas as pd
import pytest

from models.dataset import Dataset, Protocol
from tests.models.synthetic import PlantedStore, planted


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
