"""Events in over HTTP: on disk, in the user's features, and in the next answer."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbt_project.events.schemas import FEEDBACK, RATINGS
from tests.commands import landed_events
from tests.serving.servers import ADMIN, KEYS, WRITER, served

NEWCOMER = 7000


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, **KEYS) as client:
        yield client


def event(name: str, user_id: int, movie_id: int, kind: str = "rating", rating: float | None = 5.0) -> dict[str, Any]:
    body = {"event_id": name, "kind": kind, "user_id": user_id, "movie_id": movie_id}
    return body | {"rating": rating} if kind == "rating" else body


def send(client: httpx.Client, *events: dict[str, Any]) -> dict[str, Any]:
    """The receipt of events, singly or in bulk."""
    path, body = ("/v1/events", events[0]) if len(events) == 1 else ("/v1/events/bulk", {"events": events})
    response = client.post(path, json=body, headers=WRITER)
    assert response.status_code == 202, response.text
    return response.json()


def films(client: httpx.Client, user_id: int, n: int = 100) -> list[int]:
    answer = client.get(f"/v1/users/{user_id}/recommendations", params={"n": n}).json()
    return [item["movie_id"] for item in answer["items"]]


def test_three_ratings_change_the_next_answer(client: httpx.Client, workspace: Path) -> None:
    before = films(client, 1)
    rated = before[:3]
    for number, movie_id in enumerate(rated):
        assert send(client, event(f"three-{number}", 1, movie_id)) == {"accepted": 1, "repeated": 0, "online": True}
    after = films(client, 1)
    assert not set(rated) & set(after)
    assert after[:10] != [movie_id for movie_id in before if movie_id not in rated][:10], "the models saw nothing new"
    mine = [row["movie_id"] for row in landed_events(workspace, RATINGS) if row["user_id"] == 1]
    assert mine == rated


def test_somebody_new_is_known_after_a_rating(client: httpx.Client) -> None:
    answer = client.get(f"/v1/users/{NEWCOMER}/recommendations").json()
    assert answer["strategy"] == "popularity"
    popular = [item["movie_id"] for item in answer["items"]]
    send(client, *(event(f"new-{movie_id}", NEWCOMER, movie_id) for movie_id in popular[:3]))
    answer = client.get(f"/v1/users/{NEWCOMER}/recommendations").json()
    assert answer["strategy"] == "two_stage"
    assert not set(popular[:3]) & {item["movie_id"] for item in answer["items"]}


@pytest.mark.parametrize("kind", ["hide", "watch"])
def test_what_is_hidden_or_watched_never_comes_back(client: httpx.Client, workspace: Path, kind: str) -> None:
    for user_id in (2, NEWCOMER + 1):  # one whom the models know, one who gets what is popular
        first = films(client, user_id)[0]
        send(client, event(f"{kind}-{user_id}", user_id, first, kind))
        assert first not in films(client, user_id)
    kinds = [row["kind"] for row in landed_events(workspace, FEEDBACK) if row["event_id"].startswith(kind)]
    assert kinds == [kind, kind]


def test_an_event_sent_again_counts_once(client: httpx.Client, workspace: Path) -> None:
    one, other = event("again-1", 3, films(client, 3)[0]), event("again-2", 3, films(client, 3)[1])
    assert send(client, one) == {"accepted": 1, "repeated": 0, "online": True}
    assert send(client, one, other, other) == {"accepted": 1, "repeated": 2, "online": True}
    assert send(client, one, other) == {"accepted": 0, "repeated": 2, "online": True}
    assert len([row for row in landed_events(workspace, RATINGS) if row["user_id"] == 3]) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (event("bad-1", 1, 999_999), 404),
        (event("bad-2", 1, 1, rating=4.2), 422),
        (event("bad-3", 1, 1, rating=None), 422),
        (event("bad-4", 1, 1, "watch") | {"rating": 3.0}, 422),
        (event("../../bad", 1, 1), 422),
        (event("bad-6", 1, 1) | {"occurred_at": "2024-01-01T00:00:00"}, 422),
        (event("bad-7", 1, 1) | {"occurred_at": "1969-12-31T23:00:00Z"}, 422),
        (event("bad-8", 1, 1) | {"occurred_at": "2099-06-01T00:00:00Z"}, 422),
        (event("bad-9", 1, 1) | {"user_id": True}, 422),
        (event("bad-10", 1, 1, rating=True), 422),
    ],
)
def test_what_cannot_be_taken_is_refused(client: httpx.Client, workspace: Path, body: dict, status: int) -> None:
    before = len(landed_events(workspace, RATINGS))
    response = client.post("/v1/events/bulk", json={"events": [event("good", 1, 1), body]}, headers=WRITER)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert len(landed_events(workspace, RATINGS)) == before


def test_writing_needs_a_key(client: httpx.Client) -> None:
    body = event("key", 1, 1)
    for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": WRITER["X-API-Key"] + "x"}):
        assert client.post("/v1/events", json=body, headers=headers).status_code == 401
    film = {"title": "Not Mine to Change"}
    assert client.put("/v1/films/1", json=film, headers=WRITER).status_code == 401
    assert client.post("/v1/films/1/retire", headers=WRITER).status_code == 401


def test_a_body_or_list_above_its_limit_is_refused(client: httpx.Client) -> None:
    many = {"events": [event(f"many-{n}", 1, 1) for n in range(1001)]}
    assert client.post("/v1/events/bulk", json=many, headers=WRITER).status_code == 422
    for body in (b" " * 1_000_001, iter([b" " * 600_000] * 2)):  # with and without a Content-Length
        response = client.post("/v1/events/bulk", content=body, headers=WRITER)
        assert response.status_code == 413
        assert response.json()["type"] == "urn:cinefeast:problem:body-too-large"


def test_a_retired_film_never_comes_back(client: httpx.Client) -> None:
    first = films(client, 4)[0]
    popular = films(client, NEWCOMER + 2)[0]
    for movie_id in (first, popular):
        assert client.post(f"/v1/films/{movie_id}/retire", headers=ADMIN).json()["is_retired"]
    assert first not in films(client, 4)
    assert popular not in films(client, NEWCOMER + 2)


def test_acknowledged_events_outlive_the_process(copied: Path) -> None:
    """Killed at once after the receipt, and with the online store away: the next process makes it good."""
    root = copied
    with served(root, may_log=True, **KEYS) as client:
        hidden = films(client, 5)[0]
        online = root / "feast" / "online.db"
        aside = online.rename(root / "aside.db")
        online.mkdir()
        assert send(client, event("outlives", 5, hidden, "hide"))["accepted"] == 1
        os.kill(client.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    online.rmdir()
    aside.rename(online)
    with served(root, **KEYS) as client:
        assert hidden not in films(client, 5)
