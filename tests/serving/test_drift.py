"""Features that are served beside those that were trained on: a shift is seen, what did not shift is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from serving.monitoring.drift import FEWEST, FILMS, USERS, Drift
from tests.conftest import Demo
from tests.serving.servers import KEYS, WRITER, metrics, served, wait_for

rng = np.random.default_rng(3)
CATALOGUE = pa.table({"movie_id": range(400), "movie_year": rng.integers(1950, 2020, 400)})


def a_drift() -> Drift:
    trained_on = pa.table(
        {
            "user_mean_rating": rng.normal(3.5, 0.5, 5000),
            "user_gender": rng.choice(["F", "M"], 5000),
            "movie_year": CATALOGUE["movie_year"].to_numpy()[rng.integers(0, 400, 5000)].astype(float),
            "movie_unserved": np.zeros(5000),
        }
    )
    return Drift(trained_on, {"user_mean_rating", "user_gender"}, CATALOGUE)


def serve(drift: Drift, answers: int, mean: float = 3.5, women: float = 0.5, films: int = 400) -> None:
    for _ in range(answers):
        gender = "F" if rng.random() < women else "M"
        user = pa.table({"user_mean_rating": [rng.normal(mean, 0.5)], "user_gender": [gender]})
        drift.add(user, rng.integers(0, films, 50))


def test_only_what_has_shifted_is_told() -> None:
    drift = a_drift()
    serve(drift, FEWEST - 1)
    assert drift.psi() == {}
    serve(drift, USERS)
    same = drift.psi()
    assert set(same) == {"user_mean_rating", "user_gender", "movie_year"}
    assert max(same.values()) < 0.05
    serve(drift, USERS, mean=4.5)
    shifted = drift.psi()
    assert shifted["user_mean_rating"] > 1
    assert max(shifted["user_gender"], shifted["movie_year"]) < 0.05
    serve(drift, USERS, women=0.95)
    assert drift.psi()["user_gender"] > 0.5
    assert drift.psi()["user_mean_rating"] < 0.05, "the window slides"


def test_films_are_compared_by_what_is_ranked() -> None:
    drift = a_drift()
    old = np.flatnonzero(CATALOGUE["movie_year"].to_numpy() < 1960)
    for _ in range(USERS):
        drift.add(pa.table({"user_mean_rating": [3.5], "user_gender": ["F"]}), np.array([*old, -1, 99_999]))
    assert drift.psi()["movie_year"] > 1


def test_what_is_kept_is_bounded() -> None:
    drift = a_drift()
    serve(drift, 2 * USERS + 7)
    assert (len(drift._users), len(drift._films)) == (USERS, FILMS)


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, **KEYS) as client:
        yield client


def psi(client: httpx.Client) -> dict[str, float]:
    told = metrics(client)
    return {name: float(value) for name, value in re.findall(r'cinefeast_feature_psi\{feature="(\w+)"\} (\S+)', told)}


def test_a_shift_of_what_users_do_is_seen_in_the_metrics(client: httpx.Client, demo: Demo) -> None:
    """Everybody gives the lowest rating: their last rating is another than in training, films are the same."""

    def ask() -> None:
        for n in range(FEWEST + 20):
            assert client.get(f"/v1/users/{1 + n % demo.data.users}/recommendations").status_code == 200

    assert psi(client) == {}
    ask()
    wait_for(lambda: "user_last_rating" in psi(client), "the first measurement")
    before = psi(client)
    assert {"user_mean_rating", "user_count_ratings", "movie_year", "movie_count_ratings"} <= set(before)
    seen = {(user, movie) for user, movie, _, _ in demo.data.ratings}
    events = [
        {"event_id": f"low-{user}", "kind": "rating", "user_id": user, "movie_id": movie, "rating": 0.5}
        for user in range(1, demo.data.users + 1)
        for movie in [next(film.movie_id for film in demo.data.films if (user, film.movie_id) not in seen)]
    ]
    client.post("/v1/events/bulk", json={"events": events}, headers=WRITER).raise_for_status()
    ask()
    wait_for(lambda: psi(client)["user_last_rating"] > before["user_last_rating"] + 0.5, "the shift")
    assert abs(psi(client)["movie_year"] - before["movie_year"]) < 0.1
