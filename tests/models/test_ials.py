"""iALS: the library's factors, and a user's solved for by the normal equations."""

import numpy as np
import pyarrow as pa
import pytest

from models.dataset import Dataset
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract

SMALL = {"factors": 12}


class TestIals(RecallContract):
    kind = "ials"
    small = SMALL


def test_a_new_user_is_solved_for_from_their_history(data: Dataset) -> None:
    """Equation 4 of Hu et al.: (Y'CY + rI) x = Y'Cp, with confidence c r + (1 - r) 1 where a film was rated."""
    channel = untrained("ials", **SMALL)
    channel.fit(data, "train")
    c = channel.config
    y = channel.tensors()["films"].astype(np.float64)
    rated = np.array([4, 11, 30])
    recency = np.exp(-np.array([2, 1, 0]) / c.recency)
    confidence = np.ones(len(y))
    confidence[rated] = c.confidence * recency
    wanted = np.zeros(len(y))
    wanted[rated] = 1
    left = y.T @ (confidence[:, None] * y) + c.regularization * np.eye(c.factors)
    expected = y @ np.linalg.solve(left, y.T @ (confidence * wanted))
    users = pa.table({"user_id": [999_999], "user_recent_movie_ids": [channel.films.values[rated].tolist()]})
    ids, scores = channel.recommend(users, len(y))
    assert scores[0] == pytest.approx(expected[channel.films.rows(ids[0])], abs=1e-3)


def test_the_same_seed_gives_the_same_factors(data: Dataset) -> None:
    one, two = untrained("ials", **SMALL), untrained("ials", **SMALL)
    one.fit(data, "train")
    two.fit(data, "train")
    assert np.array_equal(one.tensors()["films"], two.tensors()["films"])
