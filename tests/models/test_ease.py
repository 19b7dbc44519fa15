"""EASE, against the constrained least squares solved film by film."""

import numpy as np
import pyarrow as pa
import pytest

from models.dataset import Dataset
from models.recall.history import rated
from models.recall.linear.ease import item_weights
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract


class TestEase(RecallContract):
    kind = "ease"
    small = {"ridge": 20.0}


def test_each_film_is_a_ridge_regression_on_the_others() -> None:
    rng = np.random.default_rng(0)
    seen = (rng.random((80, 20)) < 0.3).astype(float)
    seen[:, 4] = 0  # nobody saw it
    weights = item_weights(seen.T @ seen, 7.0)
    for film in range(20):
        others = np.delete(np.arange(20), film)
        x = seen[:, others]
        # ridge as ordinary least squares on rows added below
        rows = np.concatenate([x, np.sqrt(7.0) * np.eye(19)])
        target = np.concatenate([seen[:, film], np.zeros(19)])
        assert weights[others, film] == pytest.approx(np.linalg.lstsq(rows, target)[0], abs=1e-6)
        assert weights[film, film] == 0


def test_scores_are_the_history_times_the_weights(data: Dataset) -> None:
    channel = untrained("ease", ridge=20.0)
    channel.fit(data, "train")
    a, b = channel.films.values[[2, 9]]
    expected = np.exp(-1 / channel.config.recency) * channel.weights[2] + channel.weights[9]
    ids, scores = channel.recommend(pa.table({"user_recent_movie_ids": [[int(a), int(b)]]}), 500)
    assert (ids >= 0).sum() == len(channel.films)
    assert expected[channel.films.rows(ids[0, : len(expected)])] == pytest.approx(scores[0, : len(expected)], rel=1e-5)


def test_only_the_most_rated_films_have_weights(data: Dataset) -> None:
    channel = untrained("ease", most_rated=25)
    channel.fit(data, "train")
    seen, _, films = rated(data.interactions("train"))
    count = np.asarray(seen.sum(axis=0)).ravel()
    assert channel.weights.shape == (25, 25)
    kept = np.isin(films.values, channel.films.values)
    assert count[kept].min() >= count[~kept].max()
    assert (np.diff(channel.films.values) > 0).all()
