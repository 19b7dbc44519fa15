"""How much a client may ask for: by key, or by address without one; of all servers together on one Redis."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from dbt_project.errors import CineFeastError
from serving.api.auth import Keys
from serving.api.costs import COSTS, UNKNOWN, cost_of
from serving.api.rate_limit import InProcess, InRedis
from serving.errors import TooManyError
from serving.telemetry.metrics import Metrics
from tests.conftest import OnRedis
from tests.serving.redis_kinds import MASTER, redis_cluster, redis_sentinel
from tests.serving.servers import ADMIN, KEYS, WRITER, RedisServer, metrics, served, wait_for

LIMIT = 82
OTHER = {"X-API-Key": "another-key-that-may-write"}


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    limits = {"CINEFEAST_READ_LIMIT": f"{LIMIT}/hour", "CINEFEAST_RATE_LIMIT": "10/hour"}
    keys = KEYS | {"CINEFEAST_WRITE_KEYS": f"{WRITER['X-API-Key']},{OTHER['X-API-Key']}"}
    with served(workspace, CINEFEAST_PROXIES="127.0.0.1", **limits, **keys) as client:
        yield client


def of(address: str) -> dict[str, str]:
    """As a proxy on this machine names the client, which is believed of CINEFEAST_PROXIES alone."""
    return {"X-Forwarded-For": address}


def count(keys: Keys, *addresses: str, cost: int = 1) -> None:
    """A request without a key from each of these."""

    async def counted() -> None:
        for address in addresses:
            await keys.count(None, address, cost)

    asyncio.run(counted())


def test_an_address_that_asks_too_often_is_told_when_to_come_again(client: httpx.Client) -> None:
    paths = ["/v1/popular", "/v1/users/1/recommendations", "/v1/films/1/similar", "/", "/v1/trending", "/v1/films/1"]
    assert sum(cost_of(path) for path in paths) == LIMIT
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
    for _ in range(LIMIT // cost_of("/v1/popular") + 1):
        last = client.get("/v1/popular", headers=of("10.0.0.2"))
    assert last.status_code == 429
    assert client.get("/v1/popular", headers=of("10.0.0.3")).status_code == 200
    wrong = {"X-API-Key": "a-key-that-nobody-has"}
    assert client.get("/v1/popular", headers=of("10.0.0.2") | wrong).status_code == 429
    for _ in range(LIMIT // cost_of("/v1/popular")):
        assert client.get("/v1/popular", headers=of("10.0.0.2") | ADMIN).status_code == 200
    assert client.get("/v1/popular", headers=of("10.0.0.4") | ADMIN).status_code == 429, "a key is one everywhere"


def test_what_takes_longer_costs_more(client: httpx.Client) -> None:
    def taken(path: str, address: str) -> int:
        statuses = [
            client.get(path, headers=of(address)).status_code for _ in range(LIMIT // cost_of("/v1/popular") + 1)
        ]
        assert set(statuses[statuses.count(200) :]) == {429}
        return statuses.count(200)

    assert (taken("/v1/popular", "10.0.1.1"), taken("/v1/users/1/recommendations?n=5", "10.0.1.2")) == (10, 5)
    assert client.get("/nowhere", headers=of("10.0.1.2")).status_code == 404, "costs nothing that is counted"


def test_every_route_has_its_cost(client: httpx.Client) -> None:
    paths = {path for path in client.get("/openapi.json").json()["paths"] if not path.startswith("/health/")}
    assert len(paths) >= 11
    assert paths | {"/"} == set(COSTS)
    assert cost_of("/v1/users/77/recommendations") == COSTS["/v1/users/{user_id}/recommendations"] > UNKNOWN
    assert cost_of("/v1/users/77/recommendations/more") == UNKNOWN


def test_events_of_a_bulk_count_each_for_itself(client: httpx.Client) -> None:
    def send(count: int, name: str, key: dict[str, str]) -> httpx.Response:
        events = [{"event_id": f"{name}-{n}", "kind": "click", "user_id": 5, "movie_id": 4} for n in range(count)]
        return client.post("/v1/events/bulk", json={"events": events}, headers=key)

    assert [send(5, name, WRITER).status_code for name in ("a", "b")] == [202, 202]
    refused = send(1, "c", WRITER)
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:cinefeast:problem:too-many-requests")
    assert 1000 < int(refused.headers["Retry-After"]) <= 3600
    assert client.post("/v1/events", json={}, headers=WRITER).status_code == 422, "what is no event is not counted"
    assert send(50, "d", OTHER).status_code == 202, "more than a window has takes a whole one"
    assert send(1, "e", OTHER).status_code == 429


def test_addresses_of_a_window_that_is_over_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "1/second")
    keys = Keys(Metrics())
    count(keys, *(f"10.0.{n // 256}.{n % 256}" for n in range(5000)))
    assert len(keys._windows) > 10

    def is_forgotten() -> bool:
        try:
            count(keys, "10.2.2.2")  # which makes it look for what is over
        except TooManyError:
            return False
        return len(keys._windows) < 10

    wait_for(is_forgotten, "what is over is forgotten")


def test_a_clock_that_is_set_back_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "1/minute")
    keys = Keys(Metrics())
    count(keys, "10.0.0.1")
    earlier = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: earlier)
    with pytest.raises(TooManyError) as refused:
        count(keys, "10.0.0.1")
    assert refused.value.retry_after
    assert refused.value.retry_after <= 60
    count(keys, "10.0.0.2")


def test_many_addresses_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.api.rate_limit.MOST", 100)
    keys = Keys(Metrics())
    count(keys, *(f"10.0.{n // 256}.{n % 256}" for n in range(500)))
    assert len(keys._windows) == 100


def test_a_rate_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_READ_LIMIT", "often")
    with pytest.raises(CineFeastError, match="CINEFEAST_READ_LIMIT='often' is no rate"):
        Keys(Metrics())


def test_servers_on_one_redis_count_together(redis_demo: OnRedis) -> None:
    more = {"CINEFEAST_READ_LIMIT": "60/hour", "REDIS_CONNECTION_STRING": redis_demo.server.address}
    path = "/v1/users/1/recommendations"
    with served(redis_demo.root, **more) as one, served(redis_demo.root, **more) as other:
        assert [asked.get(path).status_code for asked in (one, other, one, other)] == [200] * 4
        refused = [asked.get("/v1/popular") for asked in (one, other)]
        assert [answer.status_code for answer in refused] == [429, 429]
        assert all(1000 < int(answer.headers["Retry-After"]) <= 3600 for answer in refused)
        with redis.Redis(port=redis_demo.server.port) as client:
            (key,) = client.scan_iter("cinefeast:limits:*")
            assert 1000 < client.ttl(key) <= 3600, "Redis forgets it by itself"
            assert b"127.0.0.1" not in key
        assert alone(one) == 0
        redis_demo.server.stop()
        assert one.get(path).status_code == 200, "each counts alone"
        assert alone(one) == 1
        redis_demo.server.start()

        def is_shared() -> bool:
            before = alone(one)
            one.get("/v1/films/4")
            return alone(one) == before

        wait_for(is_shared, "they count together again")
        assert one.get(path).status_code == 429


def alone(client: httpx.Client) -> float:
    """How often a server counted without Redis."""
    (told,) = re.findall(r"^cinefeast_unshared_limits_total (\S+)", metrics(client), re.MULTILINE)
    return float(told)


def add(windows: InRedis, times: int = 1) -> list[tuple[int, float]]:
    """What is told of a key to which 2 is added so often, on one event loop."""

    async def added() -> list[tuple[int, float]]:
        return [await windows.add("some-key", 3600, 2) for _ in range(times)]

    return asyncio.run(added())


@pytest.mark.parametrize("kind", ["redis", "redis_cluster", "redis_sentinel"])
def test_every_kind_of_redis_counts(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_TYPE", kind)
    monkeypatch.setenv("REDIS_SENTINEL_MASTER", MASTER)
    monkeypatch.setattr("serving.api.rate_limit.PATIENCE", 20.0)  # on a busy machine, too
    alone: list[None] = []

    def check(servers: list[RedisServer]) -> None:
        address = ",".join(server.address for server in servers)
        for first in (2, 6):
            told = add(InRedis(address, lambda: alone.append(None)), 2)
            assert [count for count, _ in told] == [first, first + 2]
            assert all(3000 < left <= 3600 for _, left in told)
        assert alone == []

    if kind == "redis":
        server = RedisServer(tmp_path)
        check([server])
        server.stop()
    else:
        with (redis_cluster if kind == "redis_cluster" else redis_sentinel)(tmp_path) as servers:
            check(servers)


def test_a_redis_that_hangs_holds_nobody_up_and_is_left_alone_for_a_while() -> None:
    alone: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        windows = InRedis(f"127.0.0.1:{silent.getsockname()[1]}", lambda: alone.append(time.monotonic()))
        began = time.monotonic()
        assert [count for count, _ in add(windows, 50)] == list(range(2, 102, 2))
        assert time.monotonic() - began < 4, "50 times the patience would be longer"
    assert len(alone) == 50


def test_a_limit_that_is_not_set_is_below_what_a_core_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READ", "RATE"):
        monkeypatch.delenv(f"CINEFEAST_{name}_LIMIT", raising=False)
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    keys, cost = Keys(Metrics()), cost_of("/v1/users/1/recommendations")
    assert isinstance(keys._windows, InProcess)
    count(keys, *["10.0.0.1"] * 10, cost=cost)
    with pytest.raises(TooManyError) as refused:
        count(keys, *["10.0.0.1"] * 65, cost=cost)  # 75 answers a second, docs/benchmarks.md
    assert refused.value.retry_after == 1
    assert re.fullmatch(r"more than 500 per 1 second of cost from this address; .* 15", refused.value.detail)
