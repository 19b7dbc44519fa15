"""Users' vectors in each mode: the same answers, other freshness. Over a real Redis and in the process."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dbt_project.errors import CineFeastError
from models.recall.search.vectors import VectorRecaller
from serving.config import Mode, settings
from serving.features.user_vectors import InProcess, InRedis, UserVectors, VectorStore
from serving.telemetry.metrics import Metrics
from tests.conftest import Demo
from tests.serving.servers import RedisServer


@pytest.fixture(scope="module")
def loaded(demo: Demo) -> Iterator[tuple[Any, Any]]:
    from feature_repo.store import load_store
    from models.two_stage import TwoStage
    from serving.features.reader import OnlineFeatures

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEFEAST_WORKSPACE", str(demo.root))
        patch.setenv("REDIS_CONNECTION_STRING", "")
        store = load_store()
        models = TwoStage.load(demo.root / "artifacts", store)
        yield models, OnlineFeatures(store, models.services)


@pytest.fixture(params=["process", "redis"])
def place(request: pytest.FixtureRequest, redis_server: RedisServer) -> VectorStore:
    if request.param == "process":
        return InProcess()
    redis_server.flush()
    return InRedis(redis_server.address)


class Channel(VectorRecaller):
    """Everybody has the same vector."""

    def __init__(self) -> None:
        """Without a configuration."""

    fit = tensors = restore = None  # type: ignore[assignment]

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((users.num_rows, 1, 2), np.float32), np.ones(users.num_rows, bool)


@pytest.mark.parametrize("chosen", list(Mode))
def test_models_that_are_replaced_are_freed(chosen: Mode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once: what a server has loaded is frozen, so the collector never looks at it."""
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    gc.disable()
    try:
        models: Any = SimpleNamespace(channels={"same": Channel()})
        channel = weakref.ref(models.channels["same"])
        UserVectors(models, "v1", chosen, InProcess(), Metrics())
        assert len(models.channels["same"].user_vectors(pa.table({"user_id": [1]}))[0]) == 1
        del models
        assert channel() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("chosen", list(Mode))
def test_every_mode_recommends_the_same(loaded: tuple[Any, Any], place: VectorStore, chosen: Mode) -> None:
    models, features = loaded
    channel = models.channels["two_tower"]
    plain = type(channel).user_vectors.__get__(channel)
    metrics = Metrics()
    cached = UserVectors(models, "v1", chosen, place, metrics)
    try:
        users = features.users([3])
        if chosen == Mode.BATCH:
            assert cached.precompute(features.users([3, 4])) == 2 * len(cached._work)
        for _ in range(2):
            vectors, known = channel.user_vectors(users)
            expected, is_known = plain(users)
            np.testing.assert_allclose(vectors, expected, atol=1e-6)  # a batch adds up in another order
            np.testing.assert_array_equal(known, is_known)
        hits = metrics.cache.labels("user_vector", "hit")._value.get()
        assert hits == {Mode.REQUEST: 0, Mode.MINUTES: 1, Mode.VERSION: 1, Mode.BATCH: 2}[chosen]
        many, _ = channel.user_vectors(features.users([3, 4]))
        assert len(many) == 2
    finally:
        restore(models)


@pytest.mark.parametrize(
    ("chosen", "knows"), [("request", True), ("minutes", False), ("version", True), ("batch", False)]
)
def test_what_each_mode_knows_of_a_new_event(
    loaded: tuple[Any, Any], place: VectorStore, chosen: str, knows: bool
) -> None:
    """And a new model misses in all of them."""
    models, features = loaded
    before = features.users([5])
    after = before.set_column(
        before.column_names.index("user_recent_movie_ids"),
        "user_recent_movie_ids",
        [[before["user_recent_movie_ids"][0].as_py()[::-1]]],
    )
    channel = models.channels["two_tower"]
    try:
        cached = UserVectors(models, "v1", Mode(chosen), place, Metrics())
        if chosen == "batch":
            cached.precompute(before)
        first, _ = channel.user_vectors(before)
        second, _ = channel.user_vectors(after)
        assert (not np.array_equal(first, second)) == knows
        restore(models)
        UserVectors(models, "v2", Mode(chosen), place, Metrics())
        third, _ = channel.user_vectors(after)
        assert not np.array_equal(first, third)
    finally:
        restore(models)


def test_a_dead_redis_keeps_nothing(loaded: tuple[Any, Any]) -> None:
    models, features = loaded
    try:
        UserVectors(models, "v1", Mode.VERSION, InRedis("localhost:1"), Metrics())
        vectors, _ = models.channels["two_tower"].user_vectors(features.users([3]))
        assert vectors.shape[0] == 1
    finally:
        restore(models)


def test_a_mode_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_USER_VECTORS", "sometimes")
    with pytest.raises(CineFeastError, match="'sometimes' is none of request, minutes, version, batch"):
        settings()


def restore(models: Any) -> None:
    """Take what stands in place of `user_vectors` away again."""
    for channel in models.channels.values():
        channel.__dict__.pop("user_vectors", None)
