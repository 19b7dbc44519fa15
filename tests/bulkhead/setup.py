"""The server of the worst day: what it is given, where it is asked, and how long each part takes.

Paths and limits that belong to serving are named here and nowhere else in this folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.bulkhead.clock import Clock
from tests.serving.servers import KEYS, WRITER, served

SECONDS = float(os.environ.get("SECONDS", "120"))
"""Of faults; measuring the calm before takes half of that, and recovery what it takes."""
CALM = SECONDS / 2
READERS = 8
SENDERS = 2
READY = "/health/ready"
WORKER_TIMEOUT = 10.0
RECOVERED_WITHIN = 120.0
"""Seconds from the last fault's end until answers lack nothing and an event is online at once: a worker that was killed
takes most of them to warm up beside a load."""
LONGEST_READ = WORKER_TIMEOUT + 10.0
"""Seconds that a read may take: those until the worker that had it is known to hang, and what a busy machine adds."""
ANSWERS_WITHIN = 60.0
"""Seconds after which a client gives up."""
SLOW_BODIES = 300
"""More than a worker awaits at a time."""
WRITE_KEY = WRITER
DOCUMENTED_503 = {"overloaded", "not-written", "online-store-unavailable", "not-ready"}
"""Problems of a full queue, a disk that takes nothing and a store that is away."""
SERVER = {
    **{f"CINEFEAST_BUDGET_{stage}": "" for stage in ("FEATURES", "RECALL", "RANK")},  # as they are by default
    "CINEFEAST_WORKER_TIMEOUT": f"{WORKER_TIMEOUT:g}",
    "CINEFEAST_RATE_LIMIT": "100000/second",
    "CINEFEAST_READ_LIMIT": "100000/second",
    **KEYS,
}


@dataclass(frozen=True)
class Server:
    """The server under test."""

    root: Path
    host: str
    port: int
    process: psutil.Process
    log: Path
    admin: psutil.Process
    """The process of the admin port, which nothing is done to."""

    def workers(self) -> list[psutil.Process]:
        """Those that live."""
        return [child for child in self.process.children() if child != self.admin]

    def warmed(self) -> int:
        """How many workers have become ready so far."""
        return self.log.read_text().count("ready:")


@contextmanager
def running(root: Path, redis: str, clock: Clock) -> Iterator[tuple[Server, httpx.Client]]:
    """Two workers on a workspace and a Redis, by a clock that can be set."""
    with served(root, may_log=True, workers=2, REDIS_CONNECTION_STRING=redis, **SERVER, **clock.environment) as client:
        process, log = psutil.Process(client.pid), client.log  # type: ignore[attr-defined]
        *_, admin = sorted(process.children(), key=psutil.Process.create_time)  # it is started last
        yield Server(root, client.base_url.host, client.base_url.port or 80, process, log, admin), client
