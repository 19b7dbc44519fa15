"""The sequence channel: the promises of every channel, and that it learns an order."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from models.dataset import Dataset
from models.evaluation.cases import held_out
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PlantedStore

SMALL = {"dim": 32, "inner": 64, "positions": 512, "epochs": 12, "learning_rate": 0.005, "precision": "float32"}


class TestSequence(RecallContract):
    kind = "sequence"
    small: ClassVar[dict[str, Any]] = SMALL


class TestSequenceOrder(RecallContract):
    kind = "sequence_order"
    small: ClassVar[dict[str, Any]] = SMALL | {"negatives": 64}


def in_circles(users: int, films: int) -> pd.DataFrame:
    """Users who each walk through the films in the same circle, from a film of their own on."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        start, begin = pd.Timestamp("2020-01-01") + pd.Timedelta(days=int(rng.integers(99))), int(rng.integers(films))
        for nth in range(15):
            film = 1000 + (begin + 7 * nth) % films
            rows.append((user, film, start + pd.Timedelta(hours=nth), 4.0))
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"])


@pytest.mark.parametrize(
    ("negatives", "temperature", "unseen"),
    [(0, 0.0, False), (40, 0.0, False), (0, 0.1, False), (0, 0.1, True), (40, 0.1, False)],
)
def test_what_comes_next_is_named_first(negatives: int, temperature: float, unseen: bool) -> None:
    """Every film is followed by one other, so only who has learned the order names it first."""
    data = Dataset(PlantedStore(in_circles(120, 60)), "leave-one-out")
    channel = untrained("sequence_order", **SMALL | {"positions": 128, "epochs": 20} | {
        "negatives": negatives, "temperature": temperature, "unseen": unseen,
    })  # fmt: skip
    channel.fit(data, "train")
    test = held_out(data)
    asked = test[["user_id", "event_timestamp"]]
    ids, _ = channel.recommend(data.users(channel.config.service, asked), 5, data.seen(asked))
    assert (ids[:, 0] == test["movie_id"]).mean() > 0.95
