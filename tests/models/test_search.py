"""Choices are made on validation alone, kept, and no worse than what was there."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest.text_vectors import land_vectors
from dbt_project.workspace import Workspace
from models.config import CONFIGS
from models.dataset import Dataset
from models.evaluation import ablate, cases, search, tune
from models.evaluation.search import Dimension, Space
from models.evaluation.validation import Validation
from models.rank.registry import RANK
from models.recall.merge import merge
from models.recall.merging import WARM, ChannelWeight, Merging
from models.recall.registry import RECALL
from models.registry import model_class
from tests.models.synthetic import PlantedStore, planted


@pytest.fixture(scope="module")
def small_store() -> Any:
    return PlantedStore(planted(users=60))


@pytest.fixture
def planted_workspace(tmp_path: Path, small_store: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the planted world, and results of its own."""
    manifest = tmp_path / "raw" / "movielens" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"dataset": "planted"}')
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    monkeypatch.setattr("feature_repo.store.load_store", lambda: small_store)
    for module in (ablate, search, tune):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return tmp_path


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The changes of every channel that was fitted on the train split since."""
    made: list[dict[str, Any]] = []

    def counted(data: Dataset, name: str, changes: dict[str, Any] | None = None) -> Any:
        made.append(changes or {})
        return fit(data, name, changes)

    from models.train import fit_channel as fit

    for module in (ablate, search, tune):
        monkeypatch.setattr(module, "fit_channel", counted)
    return made


def test_validation_asks_everyone_before_anyone_twice_and_never_about_test(data: Dataset) -> None:
    events = cases.held_out(data, "validation")
    warm = events[events["earlier"] >= WARM]
    users = warm["user_id"].nunique()
    asked = cases.spread(warm, users, seed=1)
    assert sorted(asked.frame["user_id"]) == sorted(warm["user_id"].unique())
    more = cases.spread(warm, users + 5, seed=1)
    assert more.frame["user_id"].value_counts().max() == 2
    known = set(zip(warm["user_id"], warm["event_timestamp"], warm["movie_id"], strict=True))
    for (user, moment), (film,) in zip(more.frame.itertuples(index=False), more.targets, strict=True):
        assert (user, moment, film) in known


def test_validation_counts_hits(data: Dataset, channels: dict[str, Any]) -> None:
    channel = channels["item_cf"]
    asked = Validation(data, [channel.config.service], 300)
    hits = [film in ids[:10] for ids, (film,) in zip(asked.lists(channel)[0], asked.targets, strict=True)]
    measured = asked.metrics(channel)
    assert measured["hit_rate@10"] == pytest.approx(np.mean(hits))
    assert {"recall@50", "ndcg@10", "recall@500"} <= set(measured)


def test_a_search_starts_from_the_frozen_configuration_and_goes_on(
    planted_workspace: Path, fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(
        measure="ndcg@10",
        sample=200,
        fields={"neighbours": Dimension(values=[1, 50]), "recency": Dimension(low=0.5, high=50)},
    )
    monkeypatch.setattr(Space, "read", lambda name: space)
    first = search.search("item_cf", 2)
    frozen = model_class("item_cf").Config.read("item_cf")
    assert fits[0] == {"neighbours": 50, "recency": frozen.recency}
    again = search.search("item_cf", 4, save=True)
    assert len(fits) == 4
    assert again["trials"][:2] == first["trials"]
    search.search("item_cf", 4)
    assert len(fits) == 4
    values = [trial["ndcg@10"] for trial in again["trials"]]
    assert again["validation"]["ndcg@10"] == max(values) >= values[0]
    assert again["best"] in [trial["values"] for trial in again["trials"]]
    assert tomllib.loads(search.as_toml(again["best"])) == again["best"]
    kept = json.loads((planted_workspace / "results" / "search-item_cf-planted.json").read_text())
    assert kept["command"] == "cinefeast search item_cf --trials 4"
    assert kept["seeds"] == [0]
    assert kept["commit"]


def test_a_space_of_lists_is_run_through_once(
    planted_workspace: Path, fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(sample=100, fields={"days": Dimension(values=[7, 90, 300])})
    monkeypatch.setattr(Space, "read", lambda name: space)
    assert len(search.search("popularity_recent", 20)["trials"]) == 3
    assert sorted(changes["days"] for changes in fits) == [7, 90, 300]


def test_mistakes_in_a_search(planted_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CineFeastError, match="no recall channel nonsense"):
        search.search("nonsense")
    monkeypatch.setattr(Space, "read", lambda name: Space(measure="auc", fields={"days": Dimension(values=[7])}))
    with pytest.raises(CineFeastError, match="no metric auc"):
        search.search("popularity_recent")
    with pytest.raises(ValueError, match="either values"):
        Dimension(values=[1], low=1, high=2)


@pytest.mark.parametrize("path", sorted((CONFIGS / "search").glob("*.toml")), ids=lambda path: path.stem)
def test_every_space_has_fields_that_there_are(path: Path) -> None:
    config = model_class(path.stem).Config.read(path.stem)
    for field, dimension in Space.read(path.stem).fields.items():
        for value in dimension.values or [dimension.low, dimension.high]:
            config.changed({field: value})


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model, ablations in ablate.declared().items() for name in ablations]
)
def test_every_ablation_changes_fields_that_there_are(model: str, name: str) -> None:
    assert model in RECALL or model in RANK
    ablation = ablate.declared()[model][name]
    assert ablation["about"]
    assert len(ablate.variants(model_class(model).Config.read(model), ablation)) > 1


def test_variants_by_hand() -> None:
    config = model_class("item_cf").Config.read("item_cf").changed({"recency": 50, "neighbours": 50})
    made = ablate.variants(config, {"about": "x", "recency": [5, 50], "both": {"recency": 5, "neighbours": 9}})
    assert made == {"as configured": {}, "recency = 5": {"recency": 5}, "both": {"recency": 5, "neighbours": 9}}
    with pytest.raises(CineFeastError, match=r"item_cf cannot be changed so: .*recencey"):
        ablate.variants(config, {"recencey": [5]})


def test_an_ablation_runs_what_its_file_lacks(
    planted_workspace: Path, fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"item_cf": {"recency": {"about": "how far back", "recency": [1.25]}}}
    monkeypatch.setattr(ablate, "declared", lambda: known)
    path, first = ablate.ablate("item_cf", "recency")
    assert path.name == "ablation-item_cf-recency-planted.json"
    assert [run["variant"] for run in first["runs"]] == ["as configured", "recency = 1.25"]
    for run in first["runs"]:
        assert {"hit_rate@10", "recall@500", "novelty@10"} <= set(run["test"]["time-streaming"])
        assert run["validation"]["recall@50"] > 0.5
        cold = run["test"]["time-streaming-cold-films"]
        assert len(cold["each"]["recall@50"]) == cold["users"]
        assert np.mean(cold["each"]["recall@50"]) == pytest.approx(cold["recall@50"], abs=1e-5)
    assert first["command"] == "cinefeast ablate item_cf recency"
    known["item_cf"]["recency"]["recency"] = [1.25, 3.25]
    _, second = ablate.ablate("item_cf", "recency")
    assert len(fits) == 3
    assert second["runs"][:2] == first["runs"]
    ablate.ablate("item_cf", "recency", [0, 1])
    assert fits[3:] == [{"seed": 1}, {"recency": 1.25, "seed": 1}, {"recency": 3.25, "seed": 1}]
    known["item_cf"]["other"] = {"about": "what the first one had too", "far": {"recency": 3.25}}
    other = ablate.ablate("item_cf", "other")[1]["runs"]
    assert len(fits) == 6
    assert other == [second["runs"][0], {**second["runs"][2], "variant": "far"}]
    for run in (content := json.loads(path.read_text()))["runs"]:
        del run["test"]["time-streaming-cold-films"]  # as runs had it before cold films were measured
    path.write_text(json.dumps(content))
    known["item_cf"]["third"] = {"about": "the same"}
    next(path.parent.glob("*other*")).unlink()
    assert "time-streaming-cold-films" in ablate.ablate("item_cf", "third")[1]["runs"][0]["test"]
    assert len(fits) == 7
    del known["item_cf"]["other"], known["item_cf"]["third"]
    land_vectors(Workspace(planted_workspace), "of/a-model, pca", [1], [""], np.ones((1, 2), np.float32))
    mine, third = ablate.ablate("item_cf", "recency")
    assert (mine.name, third["texts"]) == ("ablation-item_cf-recency-planted-a-model.json", "of/a-model, pca")
    assert (len(third["runs"]), len(fits)) == (3, 10)
    mine.write_text(mine.read_text().replace(first["data_hash"], "other"))
    with pytest.raises(CineFeastError, match="of other ratings"):
        ablate.ablate("item_cf", "recency")
    with pytest.raises(CineFeastError, match="no ablation nonsense of item_cf: there are recency; next"):
        ablate.ablate("item_cf", "nonsense")
    with pytest.raises(CineFeastError, match="no ablation of nonsense: there are some of item_cf; next"):
        ablate.ablate("nonsense", "recency")


def random_lists(rng: np.random.Generator, events: int = 150) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three channels' lists of 60 of 90 films, one of them with gaps at the end, and a target for each event."""
    ids = {name: np.stack([rng.permutation(90)[:60] for _ in range(events)]) for name in ("popularity", "b", "c")}
    ids["b"][np.arange(60) >= rng.integers(0, 61, events)[:, None]] = -1
    return ids, rng.integers(0, 95, events)


def test_places_are_those_of_the_merge() -> None:
    rng = np.random.default_rng(0)
    ids, targets = random_lists(rng)
    shares = {
        "popularity": ChannelWeight(weight=0.3),
        "b": ChannelWeight(quota=7),
        "c": ChannelWeight(weight=0.3, quota=30),
    }
    merging = Merging(rrf=20, channels=shares)
    scored = {name: (lists, np.where(lists >= 0, 1.0, -np.inf).astype(np.float32)) for name, lists in ids.items()}
    merged = merge(scored, merging, 95).ids
    lists = tune.TunedLists(ids, targets)
    parts = [lists.part(name, share, merging.rrf) for name, share in shares.items()]
    places = lists.places(np.sum(parts, axis=0))
    for row, target, place in zip(merged, targets, places, strict=True):
        assert place == (np.flatnonzero(row == target)[0] + 1 if target in row else -1)


def test_climbing_trusts_who_is_right() -> None:
    """c names the target on one of its first 20 places; the others are noise, and popularity stays all the same."""
    rng = np.random.default_rng(1)
    ids, _ = random_lists(rng)
    targets = ids["c"][np.arange(150), rng.integers(0, 20, 150)]
    lists = tune.TunedLists(ids, targets)
    merging = tune.climb(lists, list(ids))
    assert merging.channels["c"].weight == 1.0
    assert "popularity" in merging.channels
    assert all(share.weight < 0.5 for name, share in merging.channels.items() if name != "c")
    reached = lists.measure(merging)["recall@50"]
    assert reached >= lists.measure(Merging.even(list(ids)))["recall@50"]
    assert reached == pytest.approx(1.0)


def test_tuning_keeps_what_channels_brought(planted_workspace: Path, fits: list[dict[str, Any]]) -> None:
    names = ["popularity", "item_cf"]
    first = tune.tune(names)
    assert len(fits) == 2
    assert tune.tune(names, save=True)["merge"] == first["merge"]
    assert len(fits) == 2
    best = max(first["validation"][name]["recall@50"] for name in names)
    assert first["validation"]["merged"]["recall@50"] >= best
    assert (planted_workspace / "results" / "merge-planted.json").exists()
    with pytest.raises(CineFeastError, match="popularity has to be merged"):
        tune.tune(["item_cf"])
