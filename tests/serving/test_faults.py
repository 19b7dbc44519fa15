"""Under load, one fault after the other: nothing acknowledged is lost, and every answer is good or says what is not."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbt_project.events.schemas import FEEDBACK
from tests.commands import landed_events
from tests.conftest import Demo, OnRedis
from tests.serving.servers import KEYS, PATIENCE, WRITER, served, state, wait_for

CLIENTS = 6


@pytest.fixture(scope="module")
def workspace(redis_demo: OnRedis) -> Path:
    return redis_demo.root


@pytest.fixture(scope="module")
def client(workspace: Path, redis_demo: OnRedis) -> Iterator[httpx.Client]:
    more = {"REDIS_CONNECTION_STRING": redis_demo.server.address, "CINEFEAST_MAX_REQUESTS": "16"}
    with served(workspace, **more, **KEYS) as client:
        yield client


class Load:
    """Clients that ask and send events, each after the other, until told to stop; what they met."""

    def __init__(self, url: str, users: int, movie_ids: list[int]) -> None:
        self.url, self.users, self.movie_ids = url, users, movie_ids
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.acknowledged: list[tuple[int, int]] = []
        self.answers: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _client(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=PATIENCE) as client:
            turn = 0
            while not self._is_over.is_set():
                turn += 1
                user = 1 + (number * 7 + turn) % self.users
                self._note("ask", client.get(f"/v1/users/{user}/recommendations"))
                sender, movie = 20_000 + number, self.movie_ids[turn % len(self.movie_ids)]
                event = {"event_id": f"load-{number}-{turn}", "kind": "watch", "user_id": sender, "movie_id": movie}
                if self._note("send", client.post("/v1/events", json=event, headers=WRITER)):
                    self.acknowledged.append((sender, movie))

    def _note(self, what: str, response: httpx.Response) -> bool:
        self.statuses[what, response.status_code] += 1
        if response.status_code == 503 and response.headers.get("Retry-After"):
            time.sleep(0.05)
        elif response.status_code >= 400:
            self.wrong.append(response.text)
        elif what == "ask":
            self.answers.append(response.json())
        return response.status_code == 202

    def degraded(self, since: int, stage: str) -> list[dict[str, Any]]:
        return [a for a in self.answers[since:] if any(told.startswith(stage) for told in a["degraded"])]


@pytest.mark.slow
def test_faults_under_load(client: httpx.Client, workspace: Path, redis_demo: OnRedis, demo: Demo) -> None:
    redis_server, users = redis_demo.server, demo.data.users
    movie_ids = [film.movie_id for film in demo.data.films]
    with Load(str(client.base_url), users, movie_ids) as load:
        wait_for(lambda: len(load.answers) > 20, "answers")
        assert not [answer for answer in load.answers if answer["degraded"]]

        redis_server.stop()
        before = len(load.answers)
        wait_for(lambda: len(load.degraded(before, "features")) > 10, "degraded answers without Redis")
        redis_server.start()
        before = len(load.answers)
        wait_for(lambda: len(load.answers) > before + 20 and not load.answers[-1]["degraded"], "full answers again")

        served_models = state(client)["models_version"]
        broken = workspace / "artifacts" / "two_tower" / "model.safetensors"
        good = broken.read_bytes()
        broken.write_bytes(good[:-100] + bytes(100))
        wait_for(lambda: state(client)["refused"] is not None, "the bad artifact is refused")
        assert "two_tower" in state(client)["refused"]
        assert state(client)["models_version"] == served_models
        broken.write_bytes(good)
        wait_for(lambda: state(client)["refused"] is None, "the good artifact is taken")
    assert load.wrong == []
    assert {status for _, status in load.statuses} <= {200, 202, 503}
    print(dict(load.statuses), f"{len(load.acknowledged)} acknowledged")
    landed = landed_events(workspace, FEEDBACK)
    assert {(row["user_id"], row["movie_id"]) for row in landed} >= set(load.acknowledged)
    for sender in {sender for sender, _ in load.acknowledged}:
        watched = {movie for who, movie in load.acknowledged if who == sender}

        def is_online(sender: int = sender, watched: set[int] = watched) -> bool:
            features = client.get(f"/v1/users/{sender}/features", headers=WRITER).json()["features"]
            return watched <= set(features["user_watched_movie_ids"])

        wait_for(is_online, "what was acknowledged while Redis was away is online")


def connected(client: httpx.Client, count: int) -> list[HTTPConnection]:
    """Connections on each of which the server has answered once."""
    connections = [HTTPConnection(client.base_url.host, client.base_url.port, timeout=PATIENCE) for _ in range(count)]
    for connection in connections:
        connection.request("GET", "/health/live")
        assert connection.getresponse().read()
    return connections


def test_a_full_queue_is_a_quick_503(client: httpx.Client) -> None:
    """More requests at once than are taken: some are told to come again, none fails otherwise, health answers.

    The server is stopped while they are sent, so that it meets all of them at once.
    """
    connections = connected(client, 60)
    server: int = client.pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    try:
        for n, connection in enumerate(connections, 1):
            connection.request("GET", f"/v1/users/{n}/recommendations")
    finally:
        os.kill(server, signal.SIGCONT)
    assert client.get("/health/live").status_code == 200
    responses = [connection.getresponse() for connection in connections]
    statuses = Counter(response.status for response in responses)
    assert set(statuses) == {200, 503}, statuses
    assert {response.getheader("Retry-After") for response in responses if response.status == 503} == {"1"}
    assert statuses[200] >= 16


def test_what_is_in_flight_is_finished_when_the_server_is_told_to_end(client: httpx.Client, workspace: Path) -> None:
    """The last test of this server. An event among them is on disk."""
    sender, *askers, last = connected(client, 9)
    event = {"event_id": "the-last", "kind": "watch", "user_id": 31_000, "movie_id": 1}
    sender.request("POST", "/v1/events", json.dumps(event), {"Content-Type": "application/json", **WRITER})
    for n, connection in enumerate(askers, 1):
        connection.request("GET", f"/v1/users/{n}/recommendations")
    last.request("GET", "/health/live")  # its answer tells that what was sent before has been read
    assert last.getresponse().status == 200
    os.kill(client.pid, signal.SIGTERM)  # type: ignore[attr-defined]
    statuses = [connection.getresponse().status for connection in (sender, *askers)]
    assert statuses == [202, *[200] * 7], statuses
    landed = landed_events(workspace, FEEDBACK)
    assert "the-last" in [row["event_id"] for row in landed]
