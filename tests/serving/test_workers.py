"""Several workers on one workspace: what one takes, the others know."""

import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Demo
from tests.serving.servers import ADMIN, KEYS, PATIENCE, WRITER, answers, served, wait_for

COUNT = "cinefeast_requests_total"


def answered(url: str) -> float:
    """How many answers /metrics tells of, asked on a connection of its own."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=PATIENCE).text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == COUNT)


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
        counted = answered(url)
        assert client.post(f"/v1/films/{first}/retire", headers=ADMIN).status_code == 200
        for _ in range(20):  # both
            answer = httpx.get(f"{url}/v1/popular", timeout=PATIENCE).json()
            assert first not in [item["movie_id"] for item in answer["items"]]

        assert {answered(url) for _ in range(8)} == {counted + 20}, "of all workers, whichever is asked"

        before = {child.pid for child in parent.children()}
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len({c.pid for c in parent.children()} - before) == 1, "another worker")
        statuses = Counter(httpx.get(f"{url}/health/live", timeout=PATIENCE).status_code for _ in range(10))
        assert statuses == {200: 10}
        wait_for(lambda: answers(client, "/health/ready"), "ready")
        assert answered(url) >= counted + 20, "what the dead one counted is still told"
    assert not psutil.pid_exists(max(before)), "a worker outlived its parent"


def test_a_folder_for_metrics_that_was_inherited_does_not_count(tmp_path: Path) -> None:
    """Feast names one for whatever its process starts; one worker would then tell only of what it has counted."""
    told = "import serving; from prometheus_client import values; print(values.ValueClass is values.MutexValue)"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"
