"""What the benches of ranking tell, measured in short."""

from pathlib import Path
from typing import Any

import pytest

from dbt_project.workspace import workspace
from models.bench import rank as bench
from models.bench import samples as bench_samples


def test_scoring_is_timed_in_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROUNDS", 10)
    found = bench.measure(50)
    assert found["max_difference"] <= 1e-5
    for way in ("onnx", "torch", "lightgbm"):
        assert 0 < found[f"{way}_p50_ms"] <= found[f"{way}_p99_ms"]
    assert found["onnx_vs_torch"] > 0


def test_making_samples_is_timed(untrained: Path) -> None:
    """Recall is popularity where nothing is trained; nothing is left behind."""
    found: dict[str, Any] = bench_samples.measure(workspace(), 100)
    assert found["channels"] == ["popularity"]
    assert found["rows"] % 10 == 0
    assert found["rows"] > 0
    assert found["rows_per_s"] > 0
    assert found["rows_per_cpu_s"] > 0
    assert found["recall_cpu_ms"] > 0
    assert found["peak_gb_one_process"] > 0.1
    assert found["hours_320m"] == pytest.approx(320e6 / found["rows_per_s"] / 3600, abs=0.01)
    assert not (workspace().root / "bench" / "samples").exists()
