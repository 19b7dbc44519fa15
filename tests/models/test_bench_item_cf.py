"""What `cinefeast bench recall` says of ItemCF, on a small warehouse: what was fitted, not how fast."""

import json
from pathlib import Path

import pytest

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.bench.process import Outcome
from models.bench import item_cf as bench_item_cf
from models.bench.item_cf import measure_item_cf
from tests.conftest import Built


def test_a_fit_is_measured_in_a_process_of_its_own(built_workspace: Built, untrained: Path) -> None:
    figures = measure_item_cf(Workspace(untrained))
    assert json.loads(json.dumps(figures)) == figures
    assert set(figures) == {"itemcf_fit_s", "itemcf_peak_gb", "itemcf_ratings", "itemcf_films"}
    assert 0 < figures["itemcf_ratings"] < len(built_workspace.data.ratings)  # the test split is not fitted
    assert 0 < figures["itemcf_films"] <= len({rating[1] for rating in built_workspace.data.ratings})
    assert 0.05 < figures["itemcf_peak_gb"] < 4
    assert not list(untrained.glob(".bench-*"))


def test_a_fit_that_ran_out_of_memory_is_one_line(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> object:
        return Outcome({}, 0.0, "memory")

    monkeypatch.setattr(bench_item_cf, "run", stopped)
    with pytest.raises(CineFeastError, match="out of memory"):
        measure_item_cf(Workspace(untrained))
