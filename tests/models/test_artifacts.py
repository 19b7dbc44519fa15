"""Models on disk: what is written, one clear line when something does not fit. Round trips: recall_contract.py."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dbt_project.errors import CineFeastError
from models.config import ModelConfig
from models.dataset import Dataset
from models.ids import Ids
from models.recall.neighbours.item_cf import ItemCFConfig
from tests.models.synthetic import PlantedStore, planted


def test_the_directory_says_what_it_was_trained_on(channels: dict[str, Any], data: Dataset, tmp_path: Path) -> None:
    channels["item_cf"].save(tmp_path / "item_cf")
    described = json.loads((tmp_path / "item_cf" / "config.json").read_text())
    assert described["service"] == "recall_item_cf_v1"
    assert described["schema"] == {
        "user_recent_movie_ids": "list<item: int64>",
        "user_recent_ratings": "list<item: float>",
        "user_recent_timestamps": "list<item: int64>",
    }
    assert described["data_hash"] == data.data_hash
    assert (described["protocol"], described["trained_until"]) == ("time", "train")
    names = {path.name for path in (tmp_path / "item_cf").iterdir()}
    assert names == {"config.json", "model.safetensors", "ids.parquet", "metrics.json", "MODEL_CARD.md"}
    assert "recall_item_cf_v1" in (tmp_path / "item_cf" / "MODEL_CARD.md").read_text()


def test_another_feature_schema_is_refused(channels: dict[str, Any], tmp_path: Path) -> None:
    """One feature gone, one new, one of another type: all three are named."""
    channel = channels["two_tower"]
    channel.save(tmp_path / "two_tower")
    live: Any = PlantedStore(planted(users=10))
    view = live.services[channel.config.service]["movie_state"]
    del view["movie_std_rating"]
    view["movie_votes"] = pa.int64()
    view["movie_mean_rating"] = pa.float64()
    with pytest.raises(CineFeastError) as caught:
        type(channel).load(tmp_path / "two_tower", live)
    for part in (
        "model two_tower", channel.config.service, "movie_std_rating is gone", "movie_votes is new",
        "movie_mean_rating was float, is double", "next: cinefeast train",
    ):  # fmt: skip
        assert part in str(caught.value)


def test_a_missing_a_damaged_and_another_model_are_refused(
    channels: dict[str, Any], store: Any, tmp_path: Path
) -> None:
    kind = type(channels["popularity"])
    with pytest.raises(CineFeastError, match=r"no trained model at .*; next: cinefeast train$"):
        kind.load(tmp_path / "popularity", store)
    channels["item_cf"].save(tmp_path / "item_cf")
    with pytest.raises(CineFeastError, match="holds a ItemCF, not a Popularity"):
        kind.load(tmp_path / "item_cf", store)
    channels["popularity"].save(tmp_path / "popularity")
    (tmp_path / "popularity" / "metrics.json").write_bytes(b"cut")
    with pytest.raises(CineFeastError, match="is damaged"):
        kind.load(tmp_path / "popularity", store)


@pytest.mark.parametrize("file", ["ids.parquet", "model.safetensors"])
def test_a_file_of_another_artifact_is_refused(channels: dict[str, Any], store: Any, tmp_path: Path, file: str) -> None:
    """Weights beside another model's ids would name the wrong films without a word."""
    channel = channels["popularity"]
    channel.save(tmp_path / "popularity")
    other = type(channel)(channel.config)
    other.restore({name: -value for name, value in channel.tensors().items()}, channel.facts(), store)
    other.films = Ids(channel.films.values + 1)
    other.save(tmp_path / "other")
    (tmp_path / "popularity" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(CineFeastError, match=rf"{file} is not what was saved with config.json; next: cinefeast train$"):
        type(channel).load(tmp_path / "popularity", store)


def test_an_artifact_of_other_settings_is_refused_in_one_line(
    channels: dict[str, Any], store: Any, tmp_path: Path
) -> None:
    channels["item_cf"].save(tmp_path / "item_cf")
    description = json.loads((tmp_path / "item_cf" / "config.json").read_text())
    description["config"]["window"] = description["config"].pop("recency")
    (tmp_path / "item_cf" / "config.json").write_text(json.dumps(description))
    with pytest.raises(CineFeastError, match=r"with other settings than now: recency, window; next: cinefeast train$"):
        type(channels["item_cf"]).load(tmp_path / "item_cf", store)


def test_a_save_that_fails_leaves_the_last_good_one(
    channels: dict[str, Any], store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = channels["popularity"]
    channel.save(tmp_path / "popularity")
    monkeypatch.setattr(channel, "tensors", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        channel.save(tmp_path / "popularity")
    assert type(channel).load(tmp_path / "popularity", store).films.values.tolist() == channel.films.values.tolist()
    assert len(list(tmp_path.iterdir())) == 2  # the link and what it shows


def test_a_wrong_configuration_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.config.CONFIGS", tmp_path)
    (tmp_path / "item_cf.toml").write_text('name = "item_cf"\nservice = "s"\nneighbours = "many"\nwindow = 50\n')
    with pytest.raises(CineFeastError, match=r"item_cf\.toml: .*neighbours") as caught:
        ItemCFConfig.read("item_cf")
    assert "\n" not in str(caught.value)
    with pytest.raises(CineFeastError, match="no configuration"):
        ModelConfig.read("nothing")
