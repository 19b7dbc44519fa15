"""`cinefeast bench features` on a small warehouse: what it prints, not how fast anything is."""

import json
from pathlib import Path

import pytest

from feature_repo.bench.features import TARGETS
from feature_repo.bench.process import run as run_step
from tests.commands import run
from tests.conftest import Built


@pytest.mark.slow
def test_every_figure_is_measured_and_none_is_claimed_for_a_size_it_was_not_measured_at(
    built_workspace: Built, untrained: Path
) -> None:
    result = run(untrained, "cinefeast", "bench", "features", "--rows", "2000", typed=True)
    *table, last = result.stdout.strip().splitlines()
    figures = json.loads(last)
    labels = len(built_workspace.data.ratings)
    assert set(TARGETS) <= set(figures)
    assert all(figures[key] is None for key in TARGETS)
    assert all(any(key in line for line in table) for key in TARGETS)
    assert "not the stated size" in " ".join(table)
    assert figures["checked_rows_scalar"] == figures["checked_rows_lists"] == min(2000, figures["labels"])
    assert 0 < figures["labels"] <= labels
    assert figures["materialize_keys"] > 20
    assert figures["materialize_stock_stopped"] is None
    assert not list(untrained.glob(".bench-*"))


@pytest.mark.parametrize(("limits", "reason"), [((0.0, 99.0), "time"), ((99.0, 0.001), "memory")])
def test_a_step_is_stopped_at_its_limit(
    limits: tuple[float, float], reason: str, in_workspace: Built, tmp_path: Path
) -> None:
    prepared = run_step("prepare", tmp_path, folder=str(tmp_path), sizes=[50], keys=10)
    assert prepared.peak_gb > 0.05
    outcome = run_step(
        "to_arrow",
        tmp_path,
        folder=str(tmp_path),
        labels=str(tmp_path / "labels-50.parquet"),
        kind="stock",
        seconds=limits[0],
        gb=limits[1],
    )
    assert outcome.stopped == reason
    assert outcome.result == {}


def test_a_step_sees_the_environment_of_its_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the first step, which started the server that forks them all."""
    for value in ("one", "two"):
        monkeypatch.setenv("CINEFEAST_WORKSPACE", value)
        assert str(run_step("getenv", tmp_path, "os", key="CINEFEAST_WORKSPACE").result) == value


def test_a_workspace_without_a_warehouse_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, "cinefeast", "bench", "features", check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    warehouse = tmp_path / "warehouse" / "cinefeast.duckdb"
    assert result.stderr == f"error: no warehouse at {warehouse}; next: cd dbt_project && dbt build\n"


def test_a_registry_that_was_never_applied_is_one_line(built_workspace: Built, tmp_path: Path) -> None:
    (tmp_path / "warehouse").symlink_to(built_workspace.warehouse.parent)
    result = run(tmp_path, "cinefeast", "bench", "features", check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.endswith("next: cd feature_repo && feast apply\n")
    assert result.stderr.count("\n") == 1
