"""The planted world and the kinds of channel, trained on it once."""

from typing import Any

import pytest

from models.dataset import Dataset
from models.recall.content import Content, ContentConfig
from models.recall.item_cf import ItemCF, ItemCFConfig
from models.recall.popularity import Popularity, PopularityConfig
from models.recall.two_tower import TwoTower, TwoTowerConfig
from tests.models.synthetic import PlantedStore, planted

KINDS = ("popularity", "item_cf", "content", "two_tower")


def untrained(kind: str) -> Any:
    """A channel with its published configuration, the towers made small."""
    if kind == "popularity":
        return Popularity(PopularityConfig.read(kind))
    if kind == "item_cf":
        return ItemCF(ItemCFConfig.read(kind))
    if kind == "content":
        return Content(ContentConfig.read(kind))
    small = {"dim": 16, "hidden": 32, "batch": 128, "epochs": 6, "learning_rate": 0.01}
    return TwoTower(TwoTowerConfig.read(kind).model_copy(update=small))


@pytest.fixture(scope="session")
def store() -> Any:
    return PlantedStore(planted())


@pytest.fixture(scope="session")
def data(store: Any) -> Dataset:
    return Dataset(store)


@pytest.fixture(scope="session")
def channels(data: Dataset) -> dict[str, Any]:
    """Each kind of channel, fitted on the train split."""
    fitted = {kind: untrained(kind) for kind in KINDS}
    for channel in fitted.values():
        channel.fit(data, "train")
    return fitted
