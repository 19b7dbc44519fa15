"""Refreshed models: what was learned stays, films and counts are of now."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dbt_project.errors import CineFeastError
from models.dataset import Dataset
from tests.models.conftest import SMALL, untrained
from tests.models.synthetic import GROUPS, PER_GROUP, PlantedStore, group_of, planted
from tests.models.test_sequence import SMALL as SMALL_SEQUENCE

ALL = SMALL | {"sequence": SMALL_SEQUENCE}
NEWEST = 1000 + 2 * PER_GROUP + 7
"""A film of the third group, with others before and behind it."""


LATER = pd.Timestamp("2022-01-01")


def before_the_film() -> Dataset:
    """A warehouse that does not know the film."""
    ratings = planted()
    store: Any = PlantedStore(ratings[ratings["movie_id"] != NEWEST])
    store.database.execute(f"delete from core.dim_movies where movie_id = {NEWEST}")
    return Dataset(store)


def with_the_film() -> Dataset:
    """The same a day later: the film is there, and ten people of its group have rated it."""
    ratings = planted()
    ratings = ratings[ratings["movie_id"] != NEWEST]
    people = ratings["user_id"][ratings["movie_id"].map(group_of) == group_of(NEWEST)].unique()[:10]
    hour = ratings["event_timestamp"].max() + pd.Timedelta(days=1)
    stamps = [hour + pd.Timedelta(minutes=n) for n in range(len(people))]
    rated = pd.DataFrame({"user_id": people, "movie_id": NEWEST, "event_timestamp": stamps, "rating": 5.0})
    store: Any = PlantedStore(pd.concat([ratings, rated], ignore_index=True))
    return Dataset(store)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    data = before_the_film()
    channels = {kind: untrained(kind, **small) for kind, small in ALL.items()}
    for channel in channels.values():
        channel.fit(data, "test")
    return channels


def users_of(data: Dataset, group: int) -> tuple[Any, list[np.ndarray], list[int]]:
    """Users who watch films of a group and have not seen the film: their rows as of now, and what they have seen."""
    ratings = data.interactions().to_pandas()
    watched = ratings.groupby("user_id")["movie_id"].agg(set)
    ids = [user for user, films in watched.items() if group_of(min(films)) == group and NEWEST not in films]
    frame = pd.DataFrame({"user_id": ids, "event_timestamp": LATER})
    return data.users("recall_two_tower_v2", frame), data.seen(frame), ids


@pytest.mark.parametrize("kind", list(ALL))
def test_nothing_new_changes_nothing(kind: str, fitted: dict[str, Any]) -> None:
    fresh = fitted[kind].refreshed(before_the_film())
    expected = fitted[kind].tensors()
    assert fresh.films.values.tolist() == fitted[kind].films.values.tolist()
    assert all(np.array_equal(tensor, expected[name]) for name, tensor in fresh.tensors().items())


@pytest.mark.parametrize("kind", ["popularity", "item_cf", "content"])
def test_what_counts_is_a_fit_of_now(kind: str, fitted: dict[str, Any]) -> None:
    data = with_the_film()
    fresh, expected = fitted[kind].refreshed(data), untrained(kind, **SMALL[kind])
    expected.fit(data, "test")
    assert NEWEST in fresh.films.values
    assert NEWEST not in fitted[kind].films.values
    for name, tensor in expected.tensors().items():
        assert np.array_equal(fresh.tensors()[name], tensor), name


def test_a_tower_knows_a_film_by_its_features(fitted: dict[str, Any]) -> None:
    """Users keep their vectors to the last bit; the film stands where those of its group are, and is recommended."""
    data, trained = with_the_film(), fitted["two_tower"]
    fresh = trained.refreshed(data)
    row = int(fresh.films.rows(np.array([NEWEST]))[0])
    assert not fresh.trained[row]
    assert fresh.trained.sum() == trained.trained.sum()
    groups = np.array([group_of(film) for film in fresh.films.values])
    others = np.arange(len(groups)) != row
    near = fresh.vectors @ fresh.vectors[row]
    means = [near[others & (groups == group)].mean() for group in range(GROUPS)]
    assert int(np.argmax(means)) == group_of(NEWEST)

    users, seen, _ = users_of(data, group_of(NEWEST))
    assert np.array_equal(fresh.user_vectors(users)[0], trained.user_vectors(users)[0])
    place = [int(np.flatnonzero(line == NEWEST)[0]) for line in fresh.recommend(users, len(groups), seen)[0]]
    assert np.median(place) < PER_GROUP
    assert NEWEST not in trained.recommend(users, len(groups), seen)[0]


def test_a_sequence_model_knows_a_film_by_its_facts(fitted: dict[str, Any]) -> None:
    """Films that it had learned keep their vectors to the last bit, and users theirs who have not seen the film."""
    data, trained = with_the_film(), fitted["sequence"]
    fresh = trained.refreshed(data)
    assert fresh.films.values.tolist() == [*trained.films.values.tolist(), NEWEST]
    assert np.array_equal(fresh.vectors[:-1], trained.vectors)
    groups = np.array([group_of(film) for film in trained.films.values])
    near = fresh.vectors[:-1] @ fresh.vectors[-1]
    means = [near[groups == group].mean() for group in range(GROUPS)]
    assert int(np.argmax(means)) == group_of(NEWEST)

    _, seen, ids = users_of(data, group_of(NEWEST))
    histories = data.users("recall_history_v1", pd.DataFrame({"user_id": ids, "event_timestamp": LATER}))
    assert np.array_equal(fresh.user_vectors(histories)[0], trained.user_vectors(histories)[0])
    assert (fresh.recommend(histories, len(groups) + 1, seen)[0] == NEWEST).any(axis=1).all()


def test_facts_of_another_kind_are_refused(fitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    facts = type(fitted["sequence"])._facts
    more = lambda *asked: np.pad(facts(*asked), ((0, 0), (0, 1)))  # noqa: E731
    monkeypatch.setattr(type(fitted["sequence"]), "_facts", more)
    with pytest.raises(
        CineFeastError, match=r"films have \d+ facts, where sequence learned from \d+; next: cinefeast train"
    ):
        fitted["sequence"].refreshed(with_the_film())


def test_ten_who_liked_it_bring_it_to_those_like_them(fitted: dict[str, Any]) -> None:
    data = with_the_film()
    users, seen, ids = users_of(data, group_of(NEWEST))
    found = fitted["item_cf"].refreshed(data).recommend(users, 20, seen)[0]
    assert len(ids) > 10
    assert (found == NEWEST).any(axis=1).mean() > 0.9
