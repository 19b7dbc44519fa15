"""Reciprocal rank fusion, worked out by hand."""

import numpy as np
import pytest

from models.recall.merge import merge

INF = -np.inf
CHANNELS = {
    "a": (np.array([[10, 20, 30]]), np.array([[4.0, 2.0, 1.0]], np.float32)),
    "b": (np.array([[30, 40, -1]]), np.array([[0.5, 0.1, INF]], np.float32)),
}


def test_by_hand() -> None:
    merged = merge(CHANNELS, {"a": 1.0, "b": 2.0}, size=5)
    assert merged.ids.tolist() == [[30, 40, 10, 20, -1]]
    expected = [1 / 63 + 2 / 61, 2 / 62, 1 / 61, 1 / 62, INF]
    assert merged.scores[0] == pytest.approx(expected)
    assert merged.ranks["a"].tolist() == [[3, 0, 1, 2, 0]]
    assert merged.ranks["b"].tolist() == [[1, 2, 0, 0, 0]]
    assert merged.values["a"][0] == pytest.approx([0.25, 0, 1, 0.5, 0])
    assert merged.values["b"][0] == pytest.approx([1, 0.2, 0, 0, 0])


def test_cut_to_size_and_ties_by_movie_id() -> None:
    same = {
        "a": (np.array([[7, 3]]), np.ones((1, 2), np.float32)),
        "b": (np.array([[3, 7]]), np.ones((1, 2), np.float32)),
    }
    assert merge(same, {"a": 1.0, "b": 1.0}, size=1).ids.tolist() == [[3]]


def test_silent_channels() -> None:
    nothing = (np.full((1, 3), -1), np.full((1, 3), INF, np.float32))
    merged = merge({"a": CHANNELS["a"], "b": nothing}, {"a": 1.0, "b": 1.0}, size=3)
    assert merged.ids.tolist() == [[10, 20, 30]]
    assert merge({"a": nothing}, {"a": 1.0}, size=2).ids.tolist() == [[-1, -1]]
