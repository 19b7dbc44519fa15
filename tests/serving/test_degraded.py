"""Whatever fails within an answer leaves an answer, which says so, and is over when the fault is."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.schemas.requests import CandidatesQuery
from serving.telemetry import deadlines as budget
from serving.telemetry.deadlines import StageError, Stages
from serving.telemetry.metrics import Metrics
from tests.conftest import Demo
from tests.serving.servers import PATIENT, wait_for

USER = 12
BUDGET = 8.0  # seconds: enough for a few channels, however busy the machine


@pytest.fixture(scope="module")
def recommender(demo: Demo) -> Iterator[Any]:
    from serving.runtime.loader import load_recommender

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEFEAST_WORKSPACE", str(demo.root))
        patch.setenv("REDIS_CONNECTION_STRING", "")
        for name, seconds in PATIENT.items():
            patch.setenv(name, seconds)
        yield load_recommender(Stages(Metrics()))


def fails(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("made up")


def ask(recommender: Any, user: int = USER) -> Any:
    return recommender.answer(user, CandidatesQuery())


def recovers(recommender: Any) -> Any:
    """The first full answer after a fault."""
    wait_for(lambda: not ask(recommender).degraded, "a full answer again")
    return ask(recommender)


def ids(answer: Any) -> list[int]:
    return [item.movie_id for item in answer.items]


def test_a_ranker_that_raises_leaves_the_order_of_recall(recommender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask(recommender)
    with monkeypatch.context() as patch:
        patch.setattr(recommender.models, "scored", fails)
        answer = ask(recommender)
    row = recommender.features.users([USER])
    seen = row["user_seen_movie_ids"][0].as_py()
    merged = recommender.models.recall(row, [np.array(seen)])
    assert ids(answer) == merged.ids[0][:10].tolist()
    assert answer.strategy == "recall"
    assert answer.degraded == ["rank: ZeroDivisionError: made up; in recall's order"]
    after = recovers(recommender)
    assert (ids(after), after.degraded, after.strategy) == (ids(before), [], "two_stage")


def test_channels_that_raise_are_done_without(recommender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recommender.models.channels["item_cf"], "recommend", fails)
        answer = ask(recommender)
        assert answer.strategy == "two_stage"
        assert len(answer.items) == 10
        assert answer.degraded == ["recall:item_cf: ZeroDivisionError: made up"]
        for channel in recommender.models.channels.values():
            patch.setattr(channel, "recommend", fails)
        answer = ask(recommender)
        assert (answer.strategy, answer.reason) == ("popularity", "recall brought no film")
        assert len(answer.degraded) == len(recommender.models.channels)
        counts = recommender.catalogue.table.sort_by([("movie_count_ratings", "descending"), ("movie_id", "ascending")])
        seen = set(recommender.features.users([USER])["user_seen_movie_ids"][0].as_py())
        assert ids(answer) == [movie for movie in counts["movie_id"].to_pylist() if movie not in seen][:10]
    recovers(recommender)


def test_a_channel_that_hangs_holds_up_one_answer_alone(recommender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    channel = recommender.models.channels["two_tower"]
    works = channel.recommend

    def hangs(*given: Any) -> Any:
        go_on.wait()
        return works(*given)

    with monkeypatch.context() as patch:
        patch.setattr(channel, "recommend", hangs)
        patch.setitem(recommender.stages.budgets, "recall", BUDGET)
        try:
            assert ask(recommender).degraded == ["recall:two_tower: late"]
            threads = threading.active_count()
            began = time.monotonic()
            for _ in range(10):
                answer = ask(recommender)
                assert answer.degraded == ["recall:two_tower: an earlier call has not ended"]
                assert len(answer.items) == 10
            assert time.monotonic() - began < 10 * BUDGET * 0.9, "each waited for the channel"
            assert threading.active_count() <= threads + 8, "each left a thread behind"
        finally:
            go_on.set()
    recovers(recommender)


def test_a_slow_store_leaves_features_as_they_were(recommender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask(recommender)
    reads = recommender.features.users
    go_on = threading.Event()

    def slow(user_ids: list[int]) -> Any:
        go_on.wait()
        return reads(user_ids)

    with monkeypatch.context() as patch:
        patch.setattr(recommender.features, "users", slow)
        patch.setitem(recommender.stages.budgets, "features", 0.5)
        try:
            answer = ask(recommender)
            assert ids(answer) == ids(before)
            assert answer.degraded[0].startswith("features: late; the user's features are those of ")
            stranger = ask(recommender, 55)
            assert stranger.strategy == "popularity"
            assert stranger.degraded[0].endswith("nothing is known of the user")
        finally:
            go_on.set()
    recovers(recommender)


def test_a_stage_that_failed_slowly_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "REST", 3.0)
    stages = Stages(Metrics())
    calls = []

    def slow_failure() -> None:
        calls.append(time.monotonic())
        time.sleep(0.1)
        raise OSError("gone")

    with pytest.raises(StageError, match="store: OSError: gone"):
        stages.run("store", 60, slow_failure)
    with pytest.raises(StageError, match="did not answer a moment ago"):
        stages.run("store", 60, slow_failure)
    assert len(calls) == 1

    def answers() -> bool:
        try:
            return stages.run("store", 60, lambda: 7) == 7
        except StageError:
            return False

    wait_for(answers, "the stage is asked again")
    assert time.monotonic() - calls[0] >= 3.0


def test_a_damaged_artifact_is_told(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte of the weights, which loads as well as any other, is another model."""
    import shutil

    from dbt_project.errors import CineFeastError
    from feature_repo.store import load_store
    from models.recall.two_tower.model import TwoTower

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(demo.root))
    artifact = shutil.copytree((demo.root / "artifacts" / "two_tower").resolve(), tmp_path / "two_tower")
    weights = artifact / "model.safetensors"
    TwoTower.load(artifact, load_store())
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CineFeastError, match=r"model.safetensors is not what was saved with config.json"):
        TwoTower.load(artifact, load_store())
