"""The door to the data: what is read in slices is what would be read at once."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import dataset
from models.dataset import Dataset
from tests.models.synthetic import PlantedStore, planted


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read 400 at a time, with a last slice that is not full, against the planted ratings in order of time."""
    monkeypatch.setattr(dataset, "SLICE", 400)
    ratings = planted(users=60).sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    store: Any = PlantedStore(ratings)
    data = Dataset(store)
    table = data.interactions().to_pandas()
    assert table["rating_id"].tolist() == list(range(60 * 18))
    named = ["user_id", "movie_id", "event_timestamp", "rating"]
    pd.testing.assert_frame_equal(table[named], ratings[named], check_dtype=False)
    place = np.arange(len(table)) / len(table)
    assert (
        table["split_time"].tolist() == np.select([place < 0.8, place < 0.9], ["train", "validation"], "test").tolist()
    )
    parts = [data.interactions(split).num_rows for split in ("train", "validation", "test")]
    assert parts == [864, 108, 108]
    assert data.interactions("train", "test").num_rows == 972
