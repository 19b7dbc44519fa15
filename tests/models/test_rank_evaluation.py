"""Rankers side by side on the planted world: what is measured, written and told."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dbt_project.errors import CineFeastError
from models import train
from models.dataset import Dataset
from models.evaluation import ablate, rankers, tables
from models.evaluation.cases import Cases
from models.evaluation.subgroups import by_subgroup
from models.ids import Ids
from models.metrics.ranked_lists import Rated
from models.rank.config import RankConfig
from models.recall.merging import Merging
from models.registry import model_class
from tests.models.test_rankers import config_of

TWO = ("popularity", "item_cf")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, store: Any, channels: dict[str, Any]) -> Any:
    """A workspace of the planted world as `cinefeast train` leaves it, with two channels, and short configurations."""
    root = tmp_path_factory.mktemp("ranked")
    (root / "raw" / "movielens").mkdir(parents=True)
    (root / "raw" / "movielens" / "manifest.json").write_text('{"dataset": "planted"}')
    data = Dataset(store)
    for name in TWO:
        channels[name].save(root / "samples" / "channels" / name)
        channels[name].refit(data, "validation").save(root / "artifacts" / name)

    def read(cls: Any, name: str) -> Any:
        return cls.model_validate(config_of_file(name).model_dump())

    files = {name: config_of(name) for name in ("unified", "logistic", "lambdamart")}
    config_of_file = files.__getitem__
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEFEAST_WORKSPACE", str(root))
        patch.setattr("feature_repo.store.load_store", lambda: store)
        for module in (rankers, train):
            patch.setattr(module, "CHANNELS", TWO)
            patch.setattr(module, "MERGE", Merging.even(list(TWO)))
            patch.setattr(module, "cores", lambda: 1)
        for module in (rankers, ablate):
            patch.setattr(module, "RESULTS", root / "results")
        patch.setattr(RankConfig, "read", classmethod(read))
        patch.setattr(rankers, "RESAMPLES", 20)
        yield root


def test_rankers_are_measured_side_by_side(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, result = rankers.rankers(["unified", "logistic"], [0, 1], save=True)
    assert path == trained / "results" / "rankers-planted.json"
    assert result["command"] == "cinefeast rankers unified logistic --seed 0 --seed 1"
    assert set(result["orders"]) == {"recall's order", "popularity"}
    for name in ("unified", "logistic"):
        found = result["rankers"][name]
        assert len(found["by_seed"]) == 2
        for metric in ("ndcg@10", "hit_rate@10", "mrr@10", "auc", "gauc", "logloss", "ece"):
            low, high = found["intervals"][metric]
            assert low <= found["metrics"][metric] <= high
        recall = result["orders"]["recall's order"]["metrics"]
        assert found["metrics"]["recall@500"] == recall["recall@500"]  # ranking brings no film
        share = found["metrics"]["ndcg@10"] / recall["ndcg@10"] - 1
        assert result["ahead"][name]["share"] == pytest.approx(share)
    lost = result["rankers"]["unified"]["importance"]
    assert list(lost.values()) == sorted(lost.values(), reverse=True)
    assert {"history", "candidate", "cross_genre_share", "item_cf rank"} <= set(lost)
    assert set(result["rating"]) == {"unified", "the user's mean", "the film's mean", "the mean of both"}
    assert json.loads(path.read_text())["ahead"].keys() == result["ahead"].keys()
    monkeypatch.setattr(tables, "RESULTS", trained / "results")
    shown = tables.rankers("")
    assert "| `unified` | " in shown
    assert "NDCG@10 by subgroup" in shown
    assert "changes places" in shown


def test_unknown_rankers_are_told(trained: Path) -> None:
    with pytest.raises(CineFeastError, match="no ranker dcn2: there are unified"):
        rankers.rankers(["dcn2"], [], save=False)


@pytest.mark.slow
def test_a_variant_of_a_ranker_is_judged_on_lists_that_it_did_not_learn_from(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that learns from other samples; the shared ones stay."""
    about = {"about": "x", "uniform": {"samples": {"pool": 0, "uniform": 9}}, "strength": [10.0]}
    monkeypatch.setattr(ablate, "declared", lambda: {"logistic": {"x": about}})
    path, result = ablate.ablate("logistic", "x")
    assert [run["variant"] for run in result["runs"]] == ["as configured", "uniform", "strength = 10.0"]
    assert all(0 <= run["validation"]["ndcg@10"] <= 1 for run in result["runs"])
    assert result["runs"][1]["config"]["samples"]["uniform"] == 9
    assert result["runs"][1]["config"]["samples"]["events"] == result["runs"][0]["config"]["samples"]["events"]
    monkeypatch.setattr(tables, "RESULTS", path.parent)
    assert tables.ablations("") == ""
    assert "validation ndcg@10" in tables.ablations("", of_rankers=True)


def test_declared_ablations_of_rankers_change_the_frozen_configuration() -> None:
    for name, ablation in ablate.declared()["unified"].items():
        assert len(ablate.variants(model_class("unified").Config.read("unified"), ablation)) > 1, name


def test_subgroups_are_terciles_and_cold_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine questions in one draw; users' ratings 0 to 8, films' ratings 0, 5, 10, ..."""
    monkeypatch.setattr(
        "models.evaluation.cases.rated_before", lambda data: Rated(Ids(np.arange(9)), 5 * np.arange(9), 9)
    )
    asked: Any = Cases(SimpleNamespace(), [np.array([film]) for film in range(9)])  # type: ignore[arg-type]
    shown: Any = [SimpleNamespace(cases=asked, ratings=np.arange(9.0))]
    found = by_subgroup(shown, {"a": np.arange(9.0)[None]}, None)  # type: ignore[arg-type]
    assert found["user's ratings up to 3"] == {"questions": 3, "a": 1.0}
    assert found["user's ratings above 5"]["a"] == 7.0
    assert found["cold films"] == {"questions": 2, "a": 0.5}
