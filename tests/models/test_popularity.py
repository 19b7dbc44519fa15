"""Trending and popularity by genre, by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.dataset import Dataset
from models.recall.charts.genre import probabilities
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract
from tests.models.synthetic import PlantedStore, group_of

DAY = pd.Timestamp("2020-01-01")


class TestTrending(RecallContract):
    kind = "popularity_trending"
    is_personal = False


class TestGenrePopularity(RecallContract):
    """Names popular films to those of whom nothing is known; what it says to others is tested below."""

    kind = "popularity_genre"
    is_personal = False
    small = {"overall": 1e6, "days": 0}


def fitted(kind: str, at: list[tuple[int, float]], **settings: Any) -> Any:
    """A channel fitted on ratings (film, day), of which the planted split learns from the first 80%."""
    rows = [(user, film, DAY + pd.Timedelta(days=day), 4.0) for user, (film, day) in enumerate(at, 1)]
    store: Any = PlantedStore(pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"]))
    channel = untrained(kind, **settings)
    channel.fit(Dataset(store), "train")
    return channel


def test_trending_puts_what_rises_before_what_was_always_watched() -> None:
    """1000 is rated every tenth day; 1001 as often, but of late only; 1002 as 1001, but long ago."""
    at = [(1000, 10.0 * n) for n in range(40)]
    at += [(1001, 390 + n / 8) for n in range(40)] + [(1002, 10 + n / 8) for n in range(40)]
    at += [(1003, 1000.0)] * 30  # after the cut-off
    channel = fitted("popularity_trending", at, now_days=7, usual_days=180, growth=1.0, doubt=1.0)
    ids, _ = channel.recommend(pa.table({"user_id": [1]}), 4)
    assert ids.tolist() == [[1001, 1000, 1002, -1]]


def test_trending_by_hand() -> None:
    rng = np.random.default_rng(0)
    at = [(1000 + int(film), int(day)) for film, day in zip(rng.integers(0, 5, 100), range(0, 300, 3), strict=True)]
    channel = fitted("popularity_trending", at, now_days=20, usual_days=100, growth=0.7, doubt=3.0)
    known = at[:80]
    last = max(day for _, day in known)
    now, usual = (
        {f: sum(0.5 ** ((last - day) / half) / half for film, day in known if film == f) for f in range(1000, 1005)}
        for half in (20, 100)
    )
    for film, number in zip(channel.films.values, channel.counts, strict=True):
        share, before = now[film] / sum(now.values()), usual[film] / sum(usual.values())
        rise = (share + 3 / 80) / (before + 3 / 80)
        assert number == pytest.approx(now[film] * np.log(2) * rise**0.7, rel=1e-4)


def test_probabilities_by_hand() -> None:
    """Film 0 is of genre 0, film 1 of both, film 2 of genre 1, film 3 of none."""
    genres = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.float32)
    overall, by_genre = probabilities(np.array([6, 4, 8, 2]), genres)
    assert overall.tolist() == pytest.approx([0.3, 0.2, 0.4, 0.1])
    assert by_genre[0].tolist() == pytest.approx([6 / 8, 2 / 8, 0, 0])
    assert by_genre[1].tolist() == pytest.approx([0, 2 / 10, 8 / 10, 0])
    assert by_genre.sum(axis=1) == pytest.approx(np.ones(2))


def test_the_films_of_the_users_genres_come_first(data: Dataset) -> None:
    """Genres of the planted world are its groups; a user of two of them gets both, by their shares."""
    channel = untrained("popularity_genre", days=0, overall=0.0)
    channel.fit(data, "train")
    share = [0.0, 0.7, 0.0, 0.0, 0.3, 0.0]
    users = pa.table({"user_genre_share": pa.array([share, None, [0.0] * 6], pa.list_(pa.float32()))})
    ids, scores = channel.recommend(users, 30)
    assert set(map(group_of, ids[0].tolist())) == {1, 4}
    assert group_of(int(ids[0, 0])) == 1
    ranked = untrained("popularity", days=0)
    ranked.fit(data, "train")
    for row in (1, 2):  # nothing is known of them
        assert ids[row].tolist() == ranked.recommend(users.slice(row, 1), 30)[0][0].tolist()
    more = untrained("popularity_genre", days=0, overall=3.0)
    more.fit(data, "train")
    ids_more, scores_more = more.recommend(users, 30)
    at = channel.films.rows(ids_more[0])
    assert scores_more[0] == pytest.approx(
        (np.array(share, np.float32) @ channel.by_genre + 3 * channel.overall)[at], rel=1e-5
    )
    assert set(map(group_of, ids_more[0, :3].tolist())) <= {1, 4}
    assert np.isfinite(scores).all()
