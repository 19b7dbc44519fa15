"""The planted world and the three kinds of channel, trained on it once."""

from typing import Any

import pytest

from models.dataset import Dataset
from models.registry import model_class
from tests.models.synthetic import PlantedStore, planted

SMALL: dict[str, dict[str, Any]] = {
    "popularity": {},
    "item_cf": {},
    "two_tower": {"dim": 16, "hidden": 32, "batch": 128, "epochs": 6, "learning_rate": 0.01},
}
"""The three kinds of channel, with what is set so that training them is short."""


def untrained(kind: str, **small: Any) -> Any:
    """A channel with its published configuration, but for what `small` makes shorter."""
    channel: Any = model_class(kind)
    return channel(channel.Config.read(kind).model_copy(update=small))


@pytest.fixture(scope="session")
def store() -> Any:
    return PlantedStore(planted())


@pytest.fixture(scope="session")
def data(store: Any) -> Dataset:
    return Dataset(store)


@pytest.fixture(scope="session")
def channels(data: Dataset) -> dict[str, Any]:
    """Each kind of channel, fitted on the train split."""
    fitted = {kind: untrained(kind, **small) for kind, small in SMALL.items()}
    for channel in fitted.values():
        channel.fit(data, "train")
    return fitted
