"""`cinefeast bench serve` on a small workspace, with a Redis of its own."""

import os
from pathlib import Path

import numpy as np
import pytest

from serving.bench_load import Load
from serving.bench_serve import CLIENTS, measure, soaked


def test_every_figure_is_measured_and_nothing_is_left(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(copied))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    for stage in ("FEATURES", "RECALL", "RANK"):
        monkeypatch.setenv(f"CINEFEAST_BUDGET_{stage}", "20")
    registry = (copied / "feast" / "registry.db").read_bytes()
    before = sorted(copied.iterdir())
    found = measure(seconds=1, soak=2, workers=2)
    assert (found["store"], found["dataset"]) == ("redis", "ml-latest-small")
    assert (found["failed"], found["degraded"], found["soak_failed"], found["soak_degraded"]) == (0, 0, 0, 0)
    assert all(found[f"rps_{clients}"] > 0 for clients in CLIENTS)
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["ratio_vs_floor"] > 1, "an answer cannot be faster than a part of it"
    assert found["speedup_vs_feast_500"] == pytest.approx(found["feast_500_p50_ms"] / found["p50_ms"], abs=0.1)
    assert found["soak_answers"] > 0
    assert found["workers"] == 2
    assert min(found["worker_mb"], found["soak_mb_end"], found["ready_s"]) > 0
    assert (copied / "feast" / "registry.db").read_bytes() == registry
    assert sorted(copied.iterdir()) == before
    assert "REDIS_CONNECTION_STRING" not in os.environ


def test_a_soak_sets_the_first_fifth_beside_the_last() -> None:
    at = np.arange(100.0)
    found = soaked(Load(at, np.where(at < 50, 0.01, 0.03), 100.0, failed=2, degraded=3))
    assert (found["soak_p99_ms_first"], found["soak_p99_ms_last"]) == (10.0, 30.0)
    assert (found["soak_answers"], found["soak_failed"], found["soak_degraded"], found["soak_s"]) == (100, 2, 3, 100)
