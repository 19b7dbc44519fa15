"""`cinefeast bench serve`: a server on loopback under load, beside what plain Feast takes, and above its floor."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, Workspace, workspace
from feature_repo.bench.redis_server import redis_server
from serving.bench.load import Load, load
from serving.bench.plain import PlainFeast
from serving.config import REDIS, text_of, variable
from serving.features.reader import check_built

CLIENTS = (1, 8, 32)
TURNS = 10
"""In so many parts one client asks; between them what it is compared with is measured, as a machine's speed changes."""
SOAKING = 8
"""Clients of a soak: more than there are cores, so that the server never rests."""
WARM_UP, CANDIDATES = 50, 500
BIN = Path(sys.executable).parent
OPEN = {"CINEFEAST_READ_KEYS": "", "CINEFEAST_KEYS_FILE": "", "CINEFEAST_READ_LIMIT": "1000000/second"}
"""The server is for who measures alone, and is asked without a key, for all that it can do."""


def measure(seconds: float, soak: float, workers: int = 1) -> dict[str, Any]:
    """The keys of the last line: latency of full recommendations, what they are compared with, start and memory.

    Each number of clients asks for so many seconds, a user after the other, all of whom are known; then eight clients
    for `soak` seconds, if it is not 0. Redis is the store: the one that the environment names, or one of the
    measurement's own. CineFeastError where the server does not become ready.
    """
    check_built()
    with contextlib.nullcontext() if text_of(REDIS) else own_redis(workspace()):
        from feature_repo.store import load_store
        from serving.bench.floor import Floor

        store = load_store()
        films, users = keys(store)
        found: dict[str, Any] = {
            "store": "redis",
            "dataset": dataset(workspace()),
            "films": len(films),
            "workers": workers,
        }
        plain, floor = PlainFeast(store, users, films[:CANDIDATES]), Floor(users)
        found |= under_load(users, seconds, soak, workers, [plain.round, floor.round])
        measured = {
            "feast_500": plain.spent,
            "columns_500": plain.spent_by_columns,
            "floor": floor.spent,
            "floor_with_vectors": floor.spent_with_vectors,
        }
        for name, spent in measured.items():
            found[f"{name}_p50_ms"] = round(1000 * float(np.median(spent)), 2)
        found["speedup_vs_feast_500"] = round(found["feast_500_p50_ms"] / found["p50_ms"], 1)
        found["ratio_vs_floor"] = round(found["p50_ms"] / found["floor_p50_ms"], 2)
        found["ratio_vs_floor_with_vectors"] = round(found["p50_ms"] / found["floor_with_vectors_p50_ms"], 2)
    return found


def under_load(
    users: list[int], seconds: float, soak: float, workers: int, beside: list[Callable[[], None]]
) -> dict[str, Any]:
    """What clients see of a server, and how long it takes to start and what memory it holds."""
    found: dict[str, Any] = {}
    with running(workers) as (address, admin, process, ready_s):
        found["ready_s"] = round(ready_s, 1)
        load(address, path, users, 1, WARM_UP / 10)
        wrong = {"failed": 0, "degraded": 0}
        for clients in CLIENTS:
            some = (
                in_turns(address, users, seconds, beside)
                if clients == 1
                else load(address, path, users, clients, seconds)
            )
            if clients == 1:
                found["stages_ms"] = stages(admin)
            found[f"rps_{clients}"] = round(len(some.spent) / some.wall, 1)
            found |= {f"{name}_{clients}": value for name, value in some.quantiles().items()}
            wrong = {name: count + getattr(some, name) for name, count in wrong.items()}
        found["worker_mb"] = megabytes(process)
        found |= {"p50_ms": found["p50_ms_1"], "p99_ms": found["p99_ms_1"], **wrong}
        if soak:
            some = load(address, path, users, SOAKING, soak)
            found |= soaked(some) | {"soak_mb_start": found["worker_mb"], "soak_mb_end": megabytes(process)}
    return found


def in_turns(address: str, users: list[int], seconds: float, beside: list[Callable[[], None]]) -> Load:
    """What one client sees in TURNS parts, on other users each time, with a round of `beside` after each."""
    parts = []
    for turn in range(TURNS):
        first = turn * len(users) // TURNS
        parts.append(load(address, path, [*users[first:], *users[:first]], 1, seconds / TURNS))
        for measure in beside:
            measure()
    return Load.joined(parts)


def stages(admin: str) -> dict[str, float]:
    """Mean milliseconds of each stage of the answers so far, by /metrics; `total` is all of them without HTTP."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    (histogram,) = (family for family in families if family.name == "cinefeast_stage_seconds")
    totals: dict[str, dict[str, float]] = {"sum": {}, "count": {}}
    for sample in histogram.samples:
        totals.get(sample.name.rpartition("_")[2], {})[sample.labels["stage"]] = sample.value
    return {stage: round(1000 * spent / totals["count"][stage], 2) for stage, spent in totals["sum"].items()}


def path(user_id: int) -> str:
    """A full recommendation."""
    return f"/v1/users/{user_id}/recommendations?candidates={CANDIDATES}"


def soaked(some: Load) -> dict[str, Any]:
    """Whether answers became slower: those of the first and of the last fifth of the time."""
    fifths = {"first": some.at < some.wall / 5, "last": some.at >= some.wall * 4 / 5}
    p99 = {f"soak_p99_ms_{name}": some.part(rows).quantiles()["p99_ms"] for name, rows in fifths.items()}
    counts = {"soak_answers": len(some.spent), "soak_failed": some.failed, "soak_degraded": some.degraded}
    return {"soak_s": round(some.wall), **counts, **p99}


def megabytes(process: psutil.Process) -> int:
    """Resident memory of the server, of its largest worker where there are several."""
    return round(max(one.memory_info().rss for one in process.children() or [process]) / 2**20)


@contextmanager
def own_redis(space: Workspace) -> Iterator[None]:
    """A Redis with the workspace's features; the environment names it, and a workspace whose registry is a copy."""
    from feature_repo.store import load_store

    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as name, redis_server(Path(name)) as address:
        copy = Workspace(Path(name) / "workspace")
        copy.registry.parent.mkdir(parents=True)
        shutil.copy(space.registry, copy.registry)
        for entry in space.root.iterdir():
            if entry.name != copy.registry.parent.name and not entry.name.startswith("."):
                (copy.root / entry.name).symlink_to(entry)
        before = dict(os.environ)
        os.environ |= {VARIABLE: str(copy.root), REDIS: address, variable("redis_type"): ""}
        try:
            with contextlib.redirect_stdout(sys.stderr):
                load_store().materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))
            yield
        finally:
            os.environ.clear()
            os.environ |= before


def dataset(space: Workspace) -> str:
    """What the data set is called that the workspace was fetched from."""
    from models.train import dataset_name

    return dataset_name(space)


def keys(store: Any) -> tuple[list[int], list[int]]:
    """Films and users of the labels."""
    ids = []
    for key in ("movie_id", "user_id"):
        frame = f"select distinct {key}, timestamp '2100-01-01' as event_timestamp from training.training_labels"
        view = "movie_profile:movie_index" if key == "movie_id" else "user_profile:user_index"
        ids.append(sorted(store.get_historical_features(frame, [view]).to_arrow()[key].to_pylist()))
    return ids[0], ids[1]


@contextmanager
def running(workers: int) -> Iterator[tuple[str, str, psutil.Process, float]]:
    """`cinefeast serve` on free ports: its address, that of its admin port, its process and the seconds until all
    workers were ready."""
    port, admin_port = free_ports()
    began = time.perf_counter()
    environment = os.environ | OPEN | {"CINEFEAST_ADMIN_HOST": "127.0.0.1", "CINEFEAST_ADMIN_PORT": str(admin_port)}
    command = [str(BIN / "cinefeast"), "serve", "--port", str(port), "--workers", str(workers)]
    with (
        tempfile.NamedTemporaryFile() as totals,
        subprocess.Popen(command, stdout=totals, stderr=subprocess.DEVNULL, env=environment) as server,
    ):
        try:
            while Path(totals.name).read_text().count("ready: ") < workers:
                if server.poll() is not None:
                    raise CineFeastError("the server ended before it was ready", "cinefeast serve")
                time.sleep(0.05)
            yield (
                f"127.0.0.1:{port}",
                f"127.0.0.1:{admin_port}",
                psutil.Process(server.pid),
                time.perf_counter() - began,
            )
        finally:
            server.terminate()


def free_ports() -> tuple[int, int]:
    """Two ports of loopback that nobody listens on now."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
