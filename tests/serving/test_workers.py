"""Several workers on one workspace: what one takes, the others know."""

import asyncio
import os
import re
import runpy
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import httpx
import psutil
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from serving.runtime.protocol import BeatingServer
from tests.commands import BIN, REPOSITORY, environment_of
from tests.conftest import Demo
from tests.serving.servers import ADMIN, KEYS, PATIENCE, PATIENT, WRITER, free_port, metrics, served, wait_for

COUNT = "cinefeast_requests_total"


def answered(client: httpx.Client) -> float:
    """How many answers of all workers the admin port tells of."""
    families = text_string_to_metric_families(metrics(client))
    return sum(sample.value for family in families for sample in family.samples if sample.name == COUNT)


def workers_of(parent: psutil.Process) -> set[int]:
    """The processes that answer: those that have models in memory, which the one of the admin port has not."""
    return {child.pid for child in parent.children() if any("onnxruntime" in one.path for one in child.memory_maps())}


def test_workers_share_what_they_know_and_are_replaced(demo: Demo, copied: Path) -> None:
    movie_ids = [film.movie_id for film in demo.data.films][:40]
    with served(copied, may_log=True, workers=2, **KEYS) as client:
        url = str(client.base_url)
        parent = psutil.Process(client.pid)  # type: ignore[attr-defined]
        wait_for(lambda: client.log.read_text().count("ready:") == 2, "both workers")  # type: ignore[attr-defined]

        def send(movie_id: int) -> int:
            """On a connection of its own, so that either worker may get it; each event twice."""
            event = {
                "event_id": f"w-{movie_id}",
                "kind": "rating",
                "rating": 4.0,
                "user_id": 9000,
                "movie_id": movie_id,
            }
            send = {"url": f"{url}/v1/events", "json": event, "headers": WRITER, "timeout": PATIENCE}
            receipts = [httpx.post(**send).json() for _ in "ab"]
            return sum(receipt["accepted"] for receipt in receipts)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(send, movie_ids)) == [1] * len(movie_ids)
        features = client.get("/v1/users/9000/features", headers=WRITER).json()["features"]
        assert sorted(features["user_seen_movie_ids"]) == sorted(movie_ids)

        first = httpx.get(f"{url}/v1/popular", timeout=PATIENCE).json()["items"][0]["movie_id"]
        counted = answered(client)
        assert client.post(f"/v1/films/{first}/retire", headers=ADMIN).status_code == 200
        for _ in range(20):  # both
            answer = httpx.get(f"{url}/v1/popular", timeout=PATIENCE).json()
            assert first not in [item["movie_id"] for item in answer["items"]]

        assert answered(client) == counted + 20, "of all workers"
        assert metrics(client).count("cinefeast_served_info{") == 1

        before = workers_of(parent)
        assert len(before) == 2
        for pid in before:
            psutil.Process(pid).suspend()
        assert answered(client) == counted + 20, "the admin port answers when no worker does"
        for pid in before:
            psutil.Process(pid).resume()
        os.kill(min(before), signal.SIGKILL)
        statuses: Counter[int] = Counter()

        def is_replaced() -> bool:
            """Asked on connections of their own while another one warms up: who is not warm takes none."""
            statuses.update(httpx.get(f"{url}/health/ready", timeout=PATIENCE).status_code for _ in range(5))
            return client.log.read_text().count("ready:") == 3  # type: ignore[attr-defined]

        wait_for(is_replaced, "another worker")
        assert statuses.keys() == {200}
        assert len(workers_of(parent)) == 2
        assert answered(client) >= counted + 20, "what the dead one counted is still told"
    assert not psutil.pid_exists(max(before)), "a worker outlived its parent"


def test_a_worker_that_hangs_is_replaced_and_none_outlives_a_parent_that_was_killed(copied: Path) -> None:
    port = free_port()
    environment = environment_of(copied, REDIS_CONNECTION_STRING="", CINEFEAST_WORKER_TIMEOUT="30", **PATIENT)
    command = ("cinefeast", "serve", "--port", str(port), "--workers", "2")
    log = copied / "serve.log"
    with log.open("w") as output, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        popen = subprocess.Popen([BIN / command[0], *command[1:]], env=environment, stdout=output, stderr=output)
        parent = psutil.Process(popen.pid)
        wait_for(lambda: log.read_text().count("ready:") == 2, "both workers")
        hung = psutil.Process(min(workers_of(parent)))
        hung.suspend()
        wait_for(lambda: not psutil.pid_exists(hung.pid), "the worker that hangs is killed")
        assert f"worker {hung.pid} was silent for 30 s: killed" in log.read_text()
        wait_for(lambda: log.read_text().count("ready:") == 3, "another worker")
        assert len(workers_of(parent)) == 2
        workers = parent.children()
        parent.kill()
        popen.wait(PATIENCE)
        wait_for(lambda: not any(worker.is_running() for worker in workers), "workers end with their parent")
        with pytest.raises(httpx.ConnectError):
            client.get("/health/live")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("is_warm", [True, False])
def test_a_server_that_is_told_to_end_ends_well(workers: str, is_warm: bool, copied: Path) -> None:
    environment = environment_of(copied, REDIS_CONNECTION_STRING="", **PATIENT)
    command = ("cinefeast", "serve", "--port", str(free_port()), "--workers", workers)
    log = copied / "serve.log"
    with log.open("w") as output:
        popen = subprocess.Popen([BIN / command[0], *command[1:]], env=environment, stdout=output, stderr=output)
        told = "ready:" if is_warm else "warming up"
        wait_for(lambda: log.read_text().count(told) == int(workers), told)
        children = psutil.Process(popen.pid).children()
        popen.terminate()
        assert popen.wait(PATIENCE) == 0, log.read_text()
    assert not any(child.is_running() for child in children)
    assert "Traceback" not in log.read_text()


def test_a_clock_that_is_set_back_makes_no_worker_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1

    async def ticks(server: BeatingServer) -> None:
        for counter in range(1, 31):
            assert not await server.on_tick(counter)

    long_ago = iter(range(10**9, 0, -3600))
    monkeypatch.setattr("uvicorn.server.time.time", lambda: float(next(long_ago)))
    config = uvicorn.Config("nowhere:app")
    config.encoded_headers = []
    asyncio.run(ticks(BeatingServer(config, beat)))
    assert beats == 3


def test_a_folder_for_metrics_that_was_inherited_does_not_count(tmp_path: Path) -> None:
    """Feast names one for whatever its process starts; one worker would then tell only of what it has counted."""
    told = "import serving; from prometheus_client import values; print(values.ValueClass is values.MutexValue)"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


HANGS_ONCE = """
import sys, time
from pathlib import Path
from dbt_project.errors import CineFeastError
from serving.runtime.supervisor import Supervisor

def work(beat):
    tried = Path(sys.argv[1])
    if not tried.exists():
        tried.touch()
        time.sleep(1000)
    raise CineFeastError("the second one began", "nothing")

Supervisor([work], lambda pid: None, patience=1000.0, start_up=1.0).supervise()
"""


def test_a_worker_that_never_becomes_ready_is_replaced(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HANGS_ONCE, str(tmp_path / "tried")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    first, second, last = ended.stderr.splitlines()
    assert re.fullmatch(
        r"worker \d+ was not ready after 1 s: killed; next: export CINEFEAST_START_UP_TIMEOUT=2,.*", first
    )
    assert re.fullmatch(r"worker \d+ ended \(-9\): starting another", second)
    assert last == "error: the second one began; next: nothing"
    assert ended.returncode == 1


def test_load_is_made_with_a_key_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        """Locust's, as far as it is used."""

    asked: list[dict[str, str]] = []
    Client.client = SimpleNamespace(get=lambda path, headers, **_: asked.append(headers) or nullcontext(MagicMock()))
    monkeypatch.setitem(sys.modules, "locust", SimpleNamespace(FastHttpUser=Client, task=lambda one: one))
    monkeypatch.delenv("CINEFEAST_READ_KEYS", raising=False)
    for name, value in (("KEY", ""), ("CINEFEAST_READ_KEYS", "a-key-that-may-read, b"), ("KEY", "another-key")):
        monkeypatch.setenv(name, value)
        runpy.run_path(str(REPOSITORY / "tests" / "load" / "locustfile.py"))["Client"]().recommendations()
    assert asked == [{}, {"X-API-Key": "a-key-that-may-read"}, {"X-API-Key": "another-key"}]
