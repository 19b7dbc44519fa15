"""The door to the data: what is read in slices is what would be read at once."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dbt_project.errors import CineFeastError
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


@pytest.mark.parametrize(
    ("where", "empty", "said"),
    [("true", "train", "1,080 of 1,080"), ("split_time <> 'train'", "validation", "216 of 1,080")],
    ids=["all of one moment", "the last fifth in one go"],
)
def test_a_split_without_ratings_is_told_in_one_line(where: str, empty: Any, said: str) -> None:
    """As dbt cuts them: from the shared moment on all is test."""
    store: Any = PlantedStore(planted(users=60))
    change = "event_timestamp = timestamp '2037-07-14 02:40:00', split_time = 'test'"
    store.database.execute(f"update training.training_labels set {change} where {where}")
    data = Dataset(store)
    told = f"no ratings are in the {empty} split: {said} are of one moment, 2037.*; next: cinefeast fetch a data set"
    with pytest.raises(CineFeastError, match=told) as caught:
        data.interactions(empty)
    assert ("leave-one-out" in str(caught.value)) == (where != "true"), "where all are of one moment, it is no way out"
    assert data.interactions(empty, "test").num_rows == int(said.split()[0].replace(",", ""))
