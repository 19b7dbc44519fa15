"""What is measured of whom, told how; other libraries' answers measured alike."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from models.dataset import Dataset
from models.evaluation import cases, evaluate, peers, record
from models.evaluation.protocols import Protocol, ahead
from models.metrics.ranked_lists import list_metrics
from models.recall.merging import ChannelWeight, Merging
from models.train import train
from models.two_stage import TwoStage
from tests.models.synthetic import PlantedStore, planted


@pytest.fixture(scope="module")
def small_store() -> Any:
    return PlantedStore(planted(users=60))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_store: Any) -> Any:
    """A workspace of the planted world with two channels of all but everyone's last film, and results of its own."""
    root = tmp_path_factory.mktemp("evaluated")
    manifest = root / "raw" / "movielens" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(
        '{"dataset": "planted", "archive": "planted-60.zip", "files": {"links": {"file": "links.csv"}}}'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEFEAST_WORKSPACE", str(root))
        patch.setattr("feature_repo.store.load_store", lambda: small_store)
        patch.setattr("models.train.late_history", lambda data: None)  # which asks a warehouse
        for module in (evaluate, peers):
            patch.setattr(module, "RESULTS", root / "results")
        train(["popularity", "item_cf"], "leave-one-out")
        yield root


def test_every_trained_channel_is_measured_and_told_of(trained: Path) -> None:
    result = evaluate.evaluate(["leave-one-out"], save="planted")
    assert set(result["channels"]) == {"popularity", "item_cf"}  # not all that are merged are there
    assert result["command"] == "cinefeast evaluate --protocol leave-one-out"
    assert result["data"] == "cinefeast fetch planted --archive planted-60.zip --links links.csv"
    assert result["seeds"] == [0, 1, 2, 3, 4]
    about = result["models"]["leave-one-out"]["item_cf"]
    assert about["seed"] == 0
    assert about["fit_seconds"] >= 0
    written = json.loads((trained / "reports" / "metrics.json").read_text())
    assert written == json.loads((trained / "results" / "planted.json").read_text())
    metrics = written["channels"]["item_cf"]
    for metric in ("hit_rate@10", "recall@500", "novelty@10", "debiased_hit_rate@50", "coverage@50"):
        assert metric in metrics
        assert metric.startswith("coverage") or metric in written["protocols"]["leave-one-out"]["intervals"]["item_cf"]
    alone = evaluate.evaluate(["leave-one-out"], ["item_cf"])
    assert set(alone["channels"]) == {"item_cf"}
    assert alone["channels"]["item_cf"]["coverage@50"] == pytest.approx(metrics["coverage@50"], abs=1e-6)


def test_unknown_names_are_told(trained: Path) -> None:
    with pytest.raises(CineFeastError, match="no protocol nonsense: there are time-streaming"):
        evaluate.evaluate(["nonsense"])
    with pytest.raises(CineFeastError, match="no recall channel dcn: there are popularity"):
        evaluate.evaluate([], ["dcn"])


def test_the_merge_is_set_beside_the_best_channel_user_by_user(data: Dataset, channels: dict[str, Any]) -> None:
    """Channels are scored as they answer, and the merge beside the better one."""
    two = {name: channels[name] for name in ("popularity", "item_cf")}
    merging = Merging(channels={"popularity": ChannelWeight(weight=1e-6), "item_cf": ChannelWeight()})
    protocol = Protocol(data, two, TwoStage(two, None, merging), cases.rated_before(data), 180)
    asked = cases.streaming(cases.held_out(data), 0)
    found = protocol.measure([asked, asked])
    compared = found["merged_ahead"]
    best = max(found["channels"][name]["recall@500"] for name in two)
    assert compared["by"] == pytest.approx(found["channels"]["merged"]["recall@500"] - best)
    users, seen = data.users("recall_item_cf_v1", asked.frame), data.seen(asked.frame)
    plain = list_metrics(two["item_cf"].recommend(users, 500, seen)[0], asked.targets)
    assert found["channels"]["item_cf"]["ndcg@10"] == pytest.approx(plain["ndcg@10"].mean())


def test_the_paired_difference_by_hand() -> None:
    """Four users: the merge hits for three, a for two of these, b for one; so a is the best, and one user differs."""
    ones = np.ones(4)
    hits = {"a": [1, 1, 0, 0], "b": [0, 0, 0, 1], "merged": [1, 1, 1, 0]}
    each = {name: {"recall@500": (np.array(values, float), ones)} for name, values in hits.items()}
    found = ahead(each, ["a", "b"])
    assert (found["of"], found["by"]) == ("a", 0.25)
    assert found["interval"] == pytest.approx([0.25 - 1.96 * 0.25, 0.25 + 1.96 * 0.25])  # deviation .5, root of 4 users


def test_cold_films_are_those_of_few_ratings_before_the_cut_off(data: Dataset) -> None:
    test = cases.held_out(data)
    before = data.interactions("train", "validation").to_pandas()["movie_id"].value_counts()
    kept = cases.of_cold_films(test, cases.rated_before(data))
    expected = [row for row in test.index if before.get(test.loc[row, "movie_id"], 0) < 10]
    assert 0 < len(expected) < len(test)
    assert kept.index.tolist() == expected


def test_peers_are_asked_without_the_answers_and_measured_as_we_are(trained: Path, small_store: Any) -> None:
    folder = peers.export("leave-one-out")
    asked = pq.read_table(folder / "cases.parquet").to_pandas()
    assert list(asked.columns) == ["user_id", "event_timestamp"]
    events = pq.read_table(folder / "interactions.parquet").to_pandas()
    assert events["event_timestamp"].is_monotonic_increasing
    assert set(events["split"]) == {"train", "validation", "test"}
    with pytest.raises(CineFeastError, match=r"no .*peers.json; next: make peers"):
        peers.measure("leave-one-out")
    wanted = asked.merge(events[events["split"] == "test"], on=["user_id", "event_timestamp"])["movie_id"].to_numpy()
    knowing = np.full((len(asked), 500), -1)
    knowing[:, 1] = wanted
    np.save(folder / "knowing.npy", knowing)
    (folder / "peers.json").write_text('{"knowing": {"fit_seconds": 1.5}}')
    result = json.loads(peers.measure("leave-one-out").read_text())
    assert result["peers"]["knowing"]["hit_rate@10"] == 1.0
    assert result["peers"]["knowing"]["mrr@10"] == 0.5
    assert result["peers"]["knowing"]["fit_seconds"] == 1.5
    assert {"item_cf", "popularity"} == set(result["ours"])
    np.save(folder / "knowing.npy", knowing[1:])
    with pytest.raises(CineFeastError, match="answers 59 cases of 60"):
        peers.measure("leave-one-out")


def test_the_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    assert record.commit(tmp_path) == "unknown"
    git("init")
    (tmp_path / "code.py").write_text("1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "result.json").write_text("1")
    git("add", "-A")
    git("commit", "-m", "one")
    head = git("rev-parse", "HEAD").strip()
    assert record.commit(tmp_path) == head
    (tmp_path / "docs" / "result.json").write_text("2")  # what a run writes is no change of the code
    assert record.commit(tmp_path) == head
    (tmp_path / "code.py").write_text("2")
    assert record.commit(tmp_path) == f"{head}-dirty"
    assert record.commit(tmp_path / "docs") == "unknown"


def test_numbers_are_written_to_six_digits(tmp_path: Path) -> None:
    record.write_json(tmp_path / "a.json", {"x": [1 / 3, 2, "a"], "y": {"z": np.float64(2 / 3)}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [0.333333, 2, "a"], "y": {"z": 0.666667}}
