"""`cinefeast bench serve`: a server on loopback under load, and what plain Feast would take for the same features."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dbt_project.errors import CineFeastError
from serving.features import CATALOGUE, REDIS, RULES, OnlineFeatures

CLIENTS = (1, 8, 32)
WARM_UP, CANDIDATES = 50, 500
BIN = Path(sys.executable).parent


def measure(seconds: float) -> dict[str, Any]:
    """The keys of the last line: latency of full recommendations, what they are compared with, start and memory.

    Each number of clients asks for so many seconds, a user after the other, all of whom are known.
    CineFeastError where the server does not become ready.
    """
    from feature_repo.store import load_store

    store = load_store()
    films, users = keys(store)
    found: dict[str, Any] = {"store": "redis" if os.environ.get(REDIS) else "sqlite", "films": len(films)}
    with running() as (address, process, ready_s):
        found["ready_s"] = round(ready_s, 1)
        load(address, users, 1, WARM_UP / 10)
        for clients in CLIENTS:
            spent, wall = load(address, users, clients, seconds)
            told = {"p50_ms": 50, "p99_ms": 99}
            found[f"rps_{clients}"] = round(len(spent) / wall, 1)
            found |= {
                f"{name}_{clients}": round(float(np.percentile(spent, at)) * 1000, 1) for name, at in told.items()
            }
        found["worker_mb"] = round(process.memory_info().rss / 2**20)
    found |= {"p50_ms": found["p50_ms_1"], "p99_ms": found["p99_ms_1"]}
    plain = plain_feast(store, users, films[:CANDIDATES])
    found["feast_500_p50_ms"] = round(plain * 1000, 1)
    found["speedup_vs_feast_500"] = round(plain * 1000 / found["p50_ms"], 1)
    return found


def keys(store: Any) -> tuple[list[int], list[int]]:
    """Films and users of the labels."""
    ids = []
    for key in ("movie_id", "user_id"):
        frame = f"select distinct {key}, timestamp '2100-01-01' as event_timestamp from training.lbl_ratings"
        view = "movie_profile:movie_index" if key == "movie_id" else "user_profile:user_index"
        ids.append(sorted(store.get_historical_features(frame, [view]).to_arrow()[key].to_pylist()))
    return ids[0], ids[1]


def plain_feast(store: Any, users: list[int], films: list[int]) -> float:
    """Median seconds of reading a user's and 500 films' features in one `get_online_features` a request."""
    features = OnlineFeatures(store, [CATALOGUE, RULES])
    wanted = [*features.user_fields, *features.movie_fields]
    spent = []
    for user in users[:20]:
        began = time.perf_counter()
        store.get_online_features(wanted, {"user_id": [user] * len(films), "movie_id": films})
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


@contextmanager
def running() -> Iterator[tuple[str, psutil.Process, float]]:
    """`cinefeast serve` on a free port: its address, its process and the seconds until it was ready."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    command = [str(BIN / "cinefeast"), "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while status(f"127.0.0.1:{port}", "/health/ready") != 200:
                if server.poll() is not None:
                    raise CineFeastError("the server ended before it was ready", "cinefeast serve")
                time.sleep(0.05)
            yield f"127.0.0.1:{port}", psutil.Process(server.pid), time.perf_counter() - began
        finally:
            server.terminate()


def status(address: str, path: str) -> int:
    """The status of a GET, 0 without an answer."""
    try:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0


def load(address: str, users: list[int], clients: int, seconds: float) -> tuple[list[float], float]:
    """Seconds of each answer of so many clients, each asking again as soon as it is answered, and of all together."""
    spent: list[list[float]] = [[] for _ in range(clients)]
    began = time.perf_counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        turn = number
        while time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            connection.request("GET", f"/v1/users/{users[turn % len(users)]}/recommendations?candidates={CANDIDATES}")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                spent[number].append(time.perf_counter() - asked)
            turn += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for some in spent for one in some], time.perf_counter() - began
