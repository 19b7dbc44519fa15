"""Features that were served come back out of Feast's log as they were, to be trained on; logging costs no answer."""

import copy
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from dbt_project.errors import CineFeastError
from serving.config import settings
from serving.monitoring.feature_log import SERVICE
from serving.pipeline.user_context import UserContexts
from serving.schemas.requests import CandidatesQuery, ListQuery
from serving.telemetry.deadlines import Stages
from serving.telemetry.metrics import Metrics
from tests.features.online import equal
from tests.serving.servers import KEYS, PATIENT, WRITER, metrics, served, wait_for

SHARE = "CINEFEAST_LOG_FEATURES"
ALL = {SHARE: "1"}


def ask(client: httpx.Client, user_id: int, name: str, **query: Any) -> list[int]:
    path = f"/v1/users/{user_id}/recommendations"
    items = client.get(path, params=query, headers={"X-Request-ID": name}).json()["items"]
    return [item["movie_id"] for item in items]


def logged(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, pa.Table]:
    """The store of the workspace, and all that was logged, as Feast reads it."""
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "")
    store = load_store()
    service, times = store.get_feature_service(SERVICE), [datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)]
    job = store._get_provider().retrieve_feature_service_logs(service, *times, store.config, store.registry)
    return store, job.to_arrow()


def test_what_was_served_comes_back_by_request_and_is_what_history_says(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(copied, **ALL) as client:
        shown = {f"train-me-{user}": ask(client, user, f"train-me-{user}", n=20) for user in (3, 4)}
        client.get("/v1/users/999999/recommendations")
        client.get("/v1/popular")
        client.post("/v1/recommendations", json={"ratings": [{"movie_id": shown["train-me-3"][0]}]})
    store, log = logged(copied, monkeypatch)  # written when the server ended
    rows = log.to_pylist()
    assert {name: [row["movie_id"] for row in rows if row["__request_id"] == name] for name in shown} == shown
    assert {row["__request_id"] for row in rows} == set(shown), "nobody without features, and no visitor"
    frame = log.select(["user_id", "movie_id"]).append_column("event_timestamp", log["__log_timestamp"])
    service = store.get_feature_service(SERVICE)
    history = store.get_historical_features(frame, service, full_feature_names=True).to_arrow()
    features = [name for name in history.column_names if "__" in name]
    assert len(features) > 20
    for row, known in zip(rows, history.to_pylist(), strict=True):
        for name in features:
            assert equal(row[name], known[name]), (name, row[name], known[name])
            assert (row[f"{name}__status"] == 1) == (known[name] is not None), name


def test_the_log_knows_of_the_last_click_as_the_answer_did(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(copied, **ALL, **KEYS) as client:
        movie_id = ask(client, 5, "before")[0]
        event = {"event_id": "one", "kind": "rating", "user_id": 5, "movie_id": movie_id, "rating": 0.5}
        client.post("/v1/events", json=event, headers=WRITER).raise_for_status()
        ask(client, 5, "after")
    log = {row["__request_id"]: row for row in logged(copied, monkeypatch)[1].to_pylist()}
    before, after = log["before"], log["after"]
    assert after["user_state__user_count_ratings"] == before["user_state__user_count_ratings"] + 1
    assert after["user_state__user_last_rating"] == 0.5


def test_a_log_that_cannot_be_written_costs_no_answer(copied: Path) -> None:
    (copied / "feast" / "logs").write_text("in the way of the folder")
    with served(copied, may_log=True, **ALL) as client:
        assert len(ask(client, 3, "lost")) == 10

        def is_counted() -> bool:
            return 'cinefeast_logged_answers_total{outcome="failed"} 1.0' in metrics(client)

        wait_for(is_counted, "the lost answer is counted")
        assert len(ask(client, 3, "again")) == 10


@pytest.fixture
def recommender(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from serving.runtime.loader import load_recommender

    for name, value in {"CINEFEAST_WORKSPACE": str(copied), "REDIS_CONNECTION_STRING": "", **PATIENT, **ALL}.items():
        monkeypatch.setenv(name, value)
    return load_recommender(Stages(Metrics()))


def test_answers_do_not_wait_for_a_disk_that_hangs(recommender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.monitoring import recorder as served
    from serving.monitoring import sample as sampler

    monkeypatch.setattr(served, "WAITING", 5)
    monkeypatch.setattr(sampler, "MOST_SHOWN", 1)
    go_on = threading.Event()
    writes = recommender.features.store.write_logged_features
    files = []

    def hangs(*given: Any) -> None:
        go_on.wait()
        writes(*given)
        files.append(given)

    monkeypatch.setattr(recommender.features.store, "write_logged_features", hangs)
    metrics = Metrics()
    features = served.Recorder(metrics)
    try:
        features.use(recommender)
        for user in range(1, 21):
            assert len(recommender.answer(user, CandidatesQuery()).items) == 10
        assert files == [], "an answer has waited for its log"
        assert metrics.unnoted._value.get() >= 20 - 5 - 1
    finally:
        go_on.set()
        features.close()
    assert len(files) == 20 - metrics.unnoted._value.get()


def test_an_answer_that_has_begun_before_a_swap_ends_as_it_began(recommender: Any) -> None:
    """The new models read fewer features of a user than the old, or others."""
    from serving.features.reader import SEEN, OnlineFeatures
    from serving.monitoring.recorder import Recorder

    new = copy.copy(recommender)
    new.features = OnlineFeatures(recommender.features.store, [SEEN])
    new.contexts = UserContexts(new.features, new.stages)
    metrics = Metrics()
    features = Recorder(metrics)
    features.use(recommender)
    features.use(new)
    for one in (recommender, new, recommender):
        assert len(one.chart("popularity", 3, ListQuery()).items) == 10
        one.note(one.contexts.user(3), np.array([1, 2]), [1])
    features.close()
    assert metrics.logged.labels("logged")._value.get() == 3


def test_the_share_that_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARE, raising=False)
    assert settings().log_features is None
    monkeypatch.setenv(SHARE, "0")
    assert settings().log_features == 0.0
    for wrong in ("1.5", "-1", "some", "nan"):
        monkeypatch.setenv(SHARE, wrong)
        with pytest.raises(CineFeastError, match=f"{SHARE}='{wrong}' is no share"):
            settings()
