"""What `cinefeast doctor` says of features: shifted, lost or swapped values online, and what is no fault."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from serving.doctor import samples
from serving.doctor.artifacts import artifacts_check, reports_check
from serving.doctor.checks import Check, Diagnosis, FeatureCheck
from serving.doctor.examine import examine
from serving.doctor.warehouse import read_warehouse
from tests.serving.servers import RedisServer
from tests.serving.test_doctor_steps import line

FEATURE = "user_mean_rating"  # any number that is never null


def users(space: Workspace) -> list[int]:
    with open_warehouse(str(space.warehouse)) as connection:
        found = connection.sql("select distinct user_id from training.training_labels order by 1").fetchall()
    return [user for (user,) in found]


def rewrite(space: Workspace, change: Any, user_ids: list[int] | None = None) -> str:
    """Write FEATURE's view online again with `change(values)` in its place; returns the view's name."""
    from feature_repo.store import load_store

    store = load_store()
    (view,) = (v for v in store.list_feature_views() if FEATURE in [f.name for f in v.features])
    keys = pd.DataFrame({"user_id": user_ids or users(space), "event_timestamp": datetime.now(UTC)})
    references = [f"{view.name}:{feature.name}" for feature in view.features]
    frame = store.get_historical_features(keys, references).to_df()
    frame[FEATURE] = change(frame[FEATURE])
    store.write_to_online_store(view.name, frame)
    return str(view.name)


def features(found: Diagnosis, name: str) -> list[FeatureCheck]:
    """The rows of a feature, one a service."""
    rows = [feature for feature in found.features if feature.feature == name]
    assert rows
    assert len({(row.psi, row.status) for row in rows}) == 1
    return rows


def test_every_feature_of_every_service_is_there(broken: Workspace) -> None:
    """But for those that are made of values of the request: nothing of these is stored."""
    from feature_repo.store import load_store

    found = examine(broken)
    store = load_store()
    of_request = {view.name for view in store.list_on_demand_feature_views() if view.source_request_sources}
    assert of_request == {"user_movie_affinity", "request_context"}
    asked = {
        (service.name, feature.name)
        for service in store.list_feature_services()
        for view in service.feature_view_projections
        if view.name not in of_request
        for feature in view.features
    }
    assert {(row.service, row.feature) for row in found.features} == asked
    assert len(found.features) == len(asked)
    assert all(row.differs == 0 for row in found.features)
    assert all(row.status != "wrong" for row in found.features)


def test_values_shifted_online(broken: Workspace) -> None:
    clean = features(examine(broken), FEATURE)[0]
    assert clean.status == "ok"
    rewrite(broken, lambda values: values + 2)
    found = examine(broken)
    row = features(found, FEATURE)[0]
    assert found.status == row.status == "wrong"
    assert row.psi is not None
    assert clean.psi is not None
    assert row.psi > 1 > 0.25 > clean.psi
    assert row.differs == 1
    served = line(found, "served")
    assert FEATURE in served.detail
    assert "feast materialize" in str(served.next)
    others = [other for other in found.features if other.feature not in (FEATURE, "cross_mean_difference")]
    assert all(other.differs == 0 for other in others), "only what was written has changed, and what is made of it"


def test_values_swapped_online(broken: Workspace) -> None:
    """The same distribution, so no drift, but each user is served another's value."""
    rewrite(broken, lambda values: np.roll(values, 1))
    found = examine(broken)
    row = features(found, FEATURE)[0]
    assert row.status == "wrong"
    assert row.psi is not None
    assert row.psi < 0.25
    assert line(found, "served").status == "wrong"


def test_values_lost_online(broken: Workspace) -> None:
    rewrite(broken, lambda values: np.nan)
    found = examine(broken)
    row = features(found, FEATURE)[0]
    assert (row.null_share_training, row.null_share_online, row.status) == (0, 1, "wrong")
    assert f"{FEATURE} (0% of training, 100% online)" in line(found, "nulls").detail


def test_a_rating_of_a_minute_ago_is_no_fault(broken: Workspace) -> None:
    """Online features have it at once, the warehouse with the next build: its user and film are left out till then."""
    from feature_repo.events import Rating, RatingRecorder
    from feature_repo.store import load_store

    user, other = users(broken)[:2]
    with open_warehouse(str(broken.warehouse)) as connection:
        film = connection.sql("select movie_id from training.training_labels limit 1").fetchone()
    assert film is not None
    RatingRecorder(load_store()).record([Rating(user, film[0], 0.5, datetime.now(UTC))])
    found = examine(broken)
    assert line(found, "served").status == "ok"
    assert "1 event landed" in line(found, "warehouse").detail
    assert found.status == "warn"
    rewrite(broken, lambda values: values + 0.25, [other])  # but nobody else may differ
    assert line(examine(broken), "served").status == "wrong"


def test_drift_of_the_warehouse_itself_is_a_warning(broken: Workspace) -> None:
    """The world may change: what online and warehouse agree on does not fail the gate."""
    found = examine(broken)
    assert any(row.status in ("watch", "drifted") for row in found.features), "the made-up films gain ratings"
    assert line(found, "drift").status in ("ok", "warn")
    assert found.status != "wrong"


def test_samples_are_bounded_and_the_same_each_time(broken: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SAMPLE", 7)
    warehouse = read_warehouse(broken)
    with open_warehouse(str(broken.warehouse)) as connection:
        nothing_waits = SCHEMAS[RATINGS].empty_table()
        frame, again = (
            connection.sql(samples.entity_query(warehouse, ["user_id", "movie_id"], nothing_waits)).df()
            for _ in range(2)
        )
        labels = connection.sql("select * from training.training_labels").df()
    pd.testing.assert_frame_equal(frame.drop(columns="event_timestamp"), again.drop(columns="event_timestamp"))
    training, online = frame[~frame.is_online], frame[frame.is_online]
    assert len(training) == len(online) == 7
    train = labels[labels.split_time == "train"]
    for some, of in ((training, train), (online, labels)):
        last = of.sort_values(["event_timestamp", "rating_id"]).groupby("user_id").movie_id.last()
        assert some.movie_id.tolist() == last[some.user_id].tolist()
    assert (training.event_timestamp == labels[labels.split_time != "train"].event_timestamp.min()).all()


def test_redis_that_lost_its_data(
    broken: Workspace, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.store import load_store

    monkeypatch.setenv("REDIS_CONNECTION_STRING", redis_server.address)
    load_store().materialize(datetime(1970, 1, 1), datetime.now(UTC).replace(tzinfo=None))
    assert examine(broken).status != "wrong"
    redis_server.flush()
    found = examine(broken)
    assert line(found, "nulls").status == "wrong"
    assert "feast -f feature_store.redis.yaml materialize" in str(line(found, "nulls").next)


def test_models(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(copied))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    from feature_repo.store import load_store

    space, store = Workspace(copied), load_store()
    warehouse = read_warehouse(space)

    def check() -> Check:
        return artifacts_check(space, store, warehouse)

    def edit(model: str, key: str, value: Any) -> None:
        path = space.artifacts / model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    assert check().status == "ok", check()
    assert reports_check(space).status == "ok"
    edit("item_cf", "data_hash", "0123")
    assert (check().status, check().next) == ("warn", "cinefeast train")
    assert "item_cf" in check().detail
    edit("two_tower", "schema", {"user_shoe_size": "Int64"})
    assert check().status == "wrong"
    assert "user_shoe_size is gone" in check().detail
    assert reports_check(space).next == "cinefeast evaluate"
    assert reports_check(space).detail.startswith("stale")
    (space.artifacts / "two_tower" / "model.safetensors").unlink()
    assert "two_tower is damaged" in check().detail
    shutil.rmtree((space.artifacts / "unified").resolve())
    assert "no model unified" in check().detail
    (space.reports / "metrics.json").write_text("{")
    assert reports_check(space).status == "wrong"
    shutil.rmtree(space.artifacts)
    assert (check().status, check().next) == ("warn", "cinefeast train")
