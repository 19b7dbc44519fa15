"""`cinefeast bench serve` on a small workspace, with a Redis of its own."""

import os
from pathlib import Path

import numpy as np
import pytest

from serving.bench import vectors as bench_vectors
from serving.bench.load import Load
from serving.bench.serve import CLIENTS, measure, soaked
from serving.config import Mode
from serving.features import user_vectors
from serving.features.user_vectors import MINUTES


@pytest.mark.slow
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
    assert found["floor_p50_ms"] < found["floor_with_vectors_p50_ms"], "the networks of vectors take time, too"
    assert 1 < found["ratio_vs_floor_with_vectors"] < found["ratio_vs_floor"], "no answer is faster than a part of it"
    assert 0 < found["columns_500_p50_ms"] < found["feast_500_p50_ms"], "the same values with fewer copies"
    assert found["speedup_vs_feast_500"] == pytest.approx(found["feast_500_p50_ms"] / found["p50_ms"], abs=0.1)
    assert {"features", "recall:sequence", "rank", "rules", "total"} <= found["stages_ms"].keys()
    assert 0 < found["stages_ms"]["rank"] < found["stages_ms"]["total"]
    assert found["soak_answers"] > 0
    assert found["workers"] == 2
    assert min(found["worker_mb"], found["soak_mb_end"], found["ready_s"]) > 0
    assert (copied / "feast" / "registry.db").read_bytes() == registry
    assert sorted(copied.iterdir()) == before
    assert "REDIS_CONNECTION_STRING" not in os.environ


def test_modes_of_vectors_differ_in_what_they_know(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(copied))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    monkeypatch.delenv("CINEFEAST_USER_VECTORS", raising=False)
    monkeypatch.setattr(user_vectors, "PATIENCE", 20.0)  # on a busy machine, too
    found = bench_vectors.measure(users=3)
    assert {mode: found[f"{mode}_knows_at_once"] for mode in Mode} == {
        Mode.REQUEST: True, Mode.MINUTES: False, Mode.VERSION: True, Mode.BATCH: False,
    }  # fmt: skip
    assert (found["request_kept_s"], found["batch_kept_s"]) == (0, None)
    assert 0 < found["minutes_kept_s"] <= MINUTES < found["version_kept_s"]
    assert all(found[f"{mode}_{turn}_p50_ms"] > 0 for mode in Mode for turn in ("first", "again"))
    assert "CINEFEAST_USER_VECTORS" not in os.environ


def test_a_soak_sets_the_first_fifth_beside_the_last() -> None:
    at = np.arange(100.0)
    found = soaked(Load(at, np.where(at < 50, 0.01, 0.03), 100.0, failed=2, degraded=3))
    assert (found["soak_p99_ms_first"], found["soak_p99_ms_last"]) == (10.0, 30.0)
    assert (found["soak_answers"], found["soak_failed"], found["soak_degraded"], found["soak_s"]) == (100, 2, 3, 100)


def test_parts_of_a_load_are_one() -> None:
    one = Load(np.array([0.5, 1.0]), np.array([0.1, 0.2]), 1.5, failed=1, degraded=0)
    both = Load.joined([one, one])
    assert both.at.tolist() == [0.5, 1.0, 2.0, 2.5]
    assert both.spent.tolist() == [0.1, 0.2, 0.1, 0.2]
    assert (both.wall, both.failed, both.degraded) == (3.0, 2, 0)
