"""The worst day of a server with two workers and a Redis: `make bulkhead`, SECONDS=120."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from serving.events.ledger import read_backlog
from tests.bulkhead import setup
from tests.bulkhead.accounting import Account, built, milliseconds, online
from tests.bulkhead.clients import BulkSender, Reader, Seen, Sender
from tests.bulkhead.clock import Clock
from tests.bulkhead.conftest import FIGURES
from tests.bulkhead.disk import own_disk
from tests.bulkhead.faults import Faults
from tests.bulkhead.setup import READERS, SECONDS, SENDERS, Server
from tests.commands import dbt_build
from tests.conftest import Demo, OnRedis
from tests.serving.servers import metrics, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.scale]


@pytest.fixture(scope="module")
def durable_redis(redis_demo: OnRedis) -> OnRedis:
    """A Redis that a kill costs nothing: as compose.yaml starts it."""
    with redis.Redis(port=redis_demo.server.port) as client:
        client.config_set("appendonly", "yes")
        wait_for(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the log of commands")
    redis_demo.server.more = ("--appendonly", "yes")
    return redis_demo


class Load:
    """Clients that run until the block ends."""

    def __init__(self, server: Server, demo: Demo, films: list[int]) -> None:
        self.server, self.seen, self.is_over = server, Seen(), threading.Event()
        readers = [Reader(server, self.seen, self.is_over, number, demo.data.users) for number in range(READERS)]
        self.senders = [Sender(server, self.seen, self.is_over, number, films) for number in range(SENDERS)]
        self._threads: list[Any] = [*readers, *self.senders]
        self._films = films

    def add_bulk(self) -> None:
        """A thousand events at a time, too."""
        bulk = BulkSender(self.server, self.seen, self.is_over, SENDERS, self._films)
        self.senders.append(bulk)
        self._threads.append(bulk)
        bulk.start()

    @contextmanager
    def on(self) -> Iterator[None]:
        """All clients meanwhile."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in self._threads:
                thread.join()

    @property
    def users(self) -> set[int]:
        """Whose events were sent."""
        return {user for sender in self.senders for user in sender.users}


def is_well(client: httpx.Client, server: Server, number: int) -> bool:
    """Both workers, every kind of list complete, and an event that is online at once."""
    if len(server.workers()) < 2:
        return False
    try:
        for path in ("/v1/users/1/recommendations", "/v1/popular", "/v1/trending"):
            answer = client.get(path)
            if answer.status_code != 200 or answer.json()["degraded"]:
                return False
        event = {"event_id": f"well-{number}", "kind": "click", "user_id": 1, "movie_id": 1}
        event["movie_id"] = client.get("/v1/popular").json()["items"][0]["movie_id"]
        receipt = client.post("/v1/events", json=event, headers=setup.WRITE_KEY)
        return receipt.status_code == 202 and bool(receipt.json()["online"])
    except httpx.TransportError:
        return False


def recovered(server: Server) -> float:
    """Seconds until all was well five times running, on connections of its own, so that each worker is asked."""
    began, well, number = time.monotonic(), 0, 0
    while well < 5:
        number += 1
        with httpx.Client(base_url=f"http://{server.host}:{server.port}", timeout=setup.ANSWERS_WITHIN) as client:
            well = well + 1 if is_well(client, server, number) else 0
        took = time.monotonic() - began
        assert took < setup.RECOVERED_WITHIN, (
            f"not well {took:.0f} s after the last fault\n{server.log.read_text()[-3000:]}"
        )
        time.sleep(0 if well else 0.5)
    return took


def test_the_worst_day(durable_redis: OnRedis, demo: Demo, tmp_path: Path) -> None:
    root, clock = durable_redis.root, Clock(tmp_path)
    films = [film.movie_id for film in demo.data.films]
    with own_disk(root / "raw" / "events") as disk:
        with setup.running(root, durable_redis.server.address, clock) as (server, client):
            wait_for(lambda: server.warmed() == 2, "both workers")
            load = Load(server, demo, films)
            faults = Faults(server, durable_redis, disk, clock, tell=print)
            with load.on():
                wait_for(lambda: len(load.seen.reads) > 10 * READERS, "the first answers")
                calm_at = time.monotonic()
                time.sleep(setup.CALM)
                load.add_bulk()
                faults_at = time.monotonic()
                faults.happen(SECONDS)
                over_at = time.monotonic()
                recovery = recovered(server)
            ledger = root / "raw" / "events" / "accepted.db"
            wait_for(lambda: read_backlog(ledger).waiting == 0, "no event waits")
            found = online(client, load.users)
            told = metrics(client)
        dbt_build(root)
        account = Account.of(load.seen.acknowledged, found, built(root))
    seen = load.seen
    calm = milliseconds(seen.reads, calm_at, faults_at, "calm")
    worst = milliseconds(seen.reads, faults_at, over_at, "faults")
    figures = {
        **calm,
        **worst,
        "p99_ratio": round(worst["faults_p99_ms"] / calm["calm_p99_ms"], 2),
        "faults_s": round(over_at - faults_at, 1),
        "recovery_s": round(recovery, 1),
        **vars(account),
        "calm_degraded": sum(calm_at <= at < faults_at for at in seen.degraded),
        "faults_degraded": sum(faults_at <= at < over_at for at in seen.degraded),
        "broken": len(seen.broken),
        "statuses": {f"{what} {status}": count for (what, status), count in sorted(seen.statuses.items())},
        "workers_hung": len(faults.hung),
        "slow_bodies": faults.slow.sent,
        "disk": disk.kind,
        "clock": "set" if clock.can_be_set else "not set: no C compiler",
        "load_average": os.getloadavg()[0],
    }
    print("\n".join(seen.broken[:40]))
    FIGURES.append(figures)
    assert "cinefeast_requests_total" in told
    assert seen.wrong == []
    assert (account.lost, account.doubled, account.online_not_built) == (0, 0, 0)
    assert worst["faults_p99_ms"] < 1000 * setup.LONGEST_READ
    assert len(seen.broken) <= len(faults.hung) * (READERS + SENDERS + 1), "no more than each has a connection"
    assert account.acknowledged > 0
    assert account.online > 0
