"""How often a client may ask: by key, or by address without one."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dbt_project.errors import CineFeastError
from serving.api.auth import Keys
from serving.errors import TooManyError
from tests.serving.servers import KEYS, WRITER, metrics, served, wait_for


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, CINEFEAST_READ_LIMIT="5/hour", CINEFEAST_PROXIES="127.0.0.1", **KEYS) as client:
        yield client


def of(address: str) -> dict[str, str]:
    """As a proxy on this machine names the client, which is believed of CINEFEAST_PROXIES alone."""
    return {"X-Forwarded-For": address}


def test_an_address_that_asks_too_often_is_told_when_to_come_again(client: httpx.Client) -> None:
    paths = ["/v1/popular", "/v1/users/1/recommendations", "/v1/films/1/similar", "/", "/v1/trending"]
    assert {client.get(path, headers=of("10.0.0.1")).status_code for path in paths} == {200}
    for path in paths:
        refused = client.get(path, headers=of("10.0.0.1"))
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert refused.json()["type"] == "urn:cinefeast:problem:too-many-requests"
        assert 1000 < int(refused.headers["Retry-After"]) <= 3600
    assert client.post("/v1/recommendations", json={}, headers=of("10.0.0.1")).status_code == 429
    assert client.get("/health/ready", headers=of("10.0.0.1")).status_code == 200
    assert 'cinefeast_requests_total{outcome="invalid"}' in metrics(client)


def test_others_are_not_held_up(client: httpx.Client) -> None:
    for _ in range(6):
        last = client.get("/v1/popular", headers=of("10.0.0.2"))
    assert last.status_code == 429
    assert client.get("/v1/popular", headers=of("10.0.0.3")).status_code == 200
    wrong = {"X-API-Key": "a-key-that-nobody-has"}
    assert client.get("/v1/popular", headers=of("10.0.0.2") | wrong).status_code == 429
    for _ in range(5):
        assert client.get("/v1/popular", headers=of("10.0.0.2") | WRITER).status_code == 200
    assert client.get("/v1/popular", headers=of("10.0.0.4") | WRITER).status_code == 429, "a key is one everywhere"


def test_addresses_of_a_window_that_is_over_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "1/second")
    keys = Keys()
    for n in range(5000):
        keys.count(None, f"10.0.{n // 256}.{n % 256}")
    assert len(keys._windows) > 10

    def is_forgotten() -> bool:
        try:
            keys.count(None, "10.2.2.2")  # which makes it look for what is over
        except TooManyError:
            return False
        return len(keys._windows) < 10

    wait_for(is_forgotten, "what is over is forgotten")


def test_a_clock_that_is_set_back_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "1/minute")
    keys = Keys()
    keys.count(None, "10.0.0.1")
    earlier = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: earlier)
    with pytest.raises(TooManyError) as refused:
        keys.count(None, "10.0.0.1")
    assert refused.value.retry_after
    assert refused.value.retry_after <= 60
    keys.count(None, "10.0.0.2")


def test_many_addresses_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.api.rate_limit.MOST", 100)
    keys = Keys()
    for n in range(500):
        keys.count(None, f"10.0.{n // 256}.{n % 256}")
    assert len(keys._windows) == 100


def test_a_rate_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "often")
    with pytest.raises(CineFeastError, match="CINEFEAST_READ_LIMIT='often' is no rate"):
        Keys()
