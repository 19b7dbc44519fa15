"""Nothing leaks, and what training saw is what serving reads."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.commands import FOREVER, REPOSITORY, run
from tests.conftest import Built
from tests.features.oracle import movie_features, user_features

SERVICES = ("interactions_v1", "catalogue_v1", "seen_v1", "recall_two_tower_v1", "rank_dcn_v1")


@pytest.fixture
def store(in_workspace: Built) -> Any:
    from feature_repo.store import load_store

    return load_store()


def service_columns(store: Any, name: str) -> set[str]:
    return {
        feature.name
        for projection in store.get_feature_service(name).feature_view_projections
        for feature in projection.features
    }


def test_every_label_sees_exactly_what_was_before_it(store: Any, in_workspace: Built) -> None:
    """All labels of the data set, ties in one second and first events included, against the oracle."""
    ratings = in_workspace.data.ratings
    labels = "select user_id, movie_id, event_timestamp from training.lbl_ratings"
    users = store.get_historical_features(labels, store.get_feature_service("rank_dcn_v1")).to_arrow().to_pylist()
    seen = store.get_historical_features(labels, store.get_feature_service("seen_v1")).to_arrow().to_pylist()
    assert len(users) == len(seen) == len(ratings)
    for row, history in zip(users, seen, strict=True):
        at = pd.Timestamp(row["event_timestamp"], tz="UTC").timestamp()
        row["user_seen_movie_ids"] = history["user_seen_movie_ids"]
        known = user_features(ratings, row["user_id"], at, window=50)
        film = movie_features(ratings, row["movie_id"], at)
        expected = dataclasses.asdict(film)
        if known is None:
            assert row["user_count_ratings"] is None
            assert row["user_recent_movie_ids"] is None
        else:
            expected |= dataclasses.asdict(known)
        for name, value in expected.items():
            want = pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value
            assert row[name] == want, (name, row["user_id"], row["movie_id"], at)


def test_online_equals_historical_at_that_moment(store: Any, in_workspace: Built) -> None:
    """Every feature of every service, for every user and film: zero mismatches, lists and nulls included."""
    data = in_workspace.data
    users = sorted({user for user, *_ in data.ratings})
    films = sorted(film.movie_id for film in data.films)
    now = pd.Timestamp("2029-01-01", tz="UTC")
    pairs = [(users[number % len(users)], film) for number, film in enumerate(films)]
    compared = 0
    for name in SERVICES:
        service = store.get_feature_service(name)
        frame = pd.DataFrame(pairs, columns=["user_id", "movie_id"]).assign(event_timestamp=now)
        if name == "seen_v1":
            frame = pd.DataFrame({"user_id": users, "event_timestamp": now})
        if name == "catalogue_v1":
            frame = frame.drop(columns="user_id")
        historical = store.get_historical_features(frame, service).to_arrow().to_pylist()
        keys = [{key: row[key] for key in frame.columns if key != "event_timestamp"} for row in historical]
        online = store.get_online_features(service, keys).to_dict()
        for column in service_columns(store, name):
            for number, row in enumerate(historical):
                assert same(online[column][number], row[column]), (name, column, keys[number])
                compared += 1
    print(f"{compared} values compared, 0 mismatches")
    assert compared > 1000


def same(online: Any, historical: Any) -> bool:
    if historical is None or online is None:
        return online is None and (historical is None or historical != historical)
    if historical != historical:  # a crossed feature that is not known is NaN offline
        return online != online
    return online == historical


def test_the_registry_matches_dbt(store: Any, in_workspace: Built) -> None:
    """Names, types and grains of every view against dbt's manifest."""
    manifest = json.loads((in_workspace.root / "dbt_target" / "manifest.json").read_text())
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    kinds = {
        "bigint": "Int64", "float": "Float32", "double": "Float64", "varchar": "String",
        "float[]": "Array(Float32)", "bigint[]": "Array(Int64)", "varchar[]": "Array(String)",
    }  # fmt: skip
    for view in store.list_batch_feature_views():
        source = view.batch_source
        mart = models[view.tags["mart"]]
        grain = [*view.join_keys, source.timestamp_field] if "event_timestamp" in view.tags["grain"] else view.join_keys
        if hasattr(source, "columns"):
            columns = models[source.history.split(".")[1]]["columns"]
            named = {feature: columns[column] for feature, column in source.columns.items()}
        else:
            assert source.table.split(".")[1] == mart["name"]
            named = {
                name: column
                for name, column in mart["columns"].items()
                if name not in (*view.join_keys, source.timestamp_field)
            }
            assert grain_of(mart, manifest) == set(grain)
        assert {field.name: str(field.dtype) for field in view.features} == {
            name: kinds[column["data_type"]] for name, column in named.items()
        }, view.name


def grain_of(model: dict, manifest: dict) -> set[str]:
    """The primary key that dbt tests."""
    for node in manifest["nodes"].values():
        if node.get("attached_node") != model["unique_id"]:
            continue
        if node["test_metadata"]["name"] == "unique_combination":
            return set(node["test_metadata"]["kwargs"]["columns"])
        if node["test_metadata"]["name"] == "unique" and node["column_name"] == model_key(model):
            return {node["column_name"]}
    raise AssertionError(f"{model['name']} has no primary key test")


def model_key(model: dict) -> str:
    return next(iter(model["columns"]))


def test_services_leave_out_what_looks_ahead(store: Any) -> None:
    for service in store.list_feature_services():
        for projection in service.feature_view_projections:
            assert not [field.name for field in projection.features if "lookahead" in field.name]


def test_feast_without_a_workspace_says_what_to_run() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CINEFEAST_WORKSPACE"}
    result = subprocess.run(
        [str(Path(sys.executable).parent / "feast"), "plan"],
        cwd=REPOSITORY / "feature_repo",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert result.stderr.strip().splitlines()[-1] == (
        'Error: CINEFEAST_WORKSPACE is not set; next: export CINEFEAST_WORKSPACE="$PWD/workspace" (in the repository)'
    )
    assert "Traceback" not in result.stdout + result.stderr


def test_materialize_without_a_warehouse_says_what_to_run(in_workspace: Built, tmp_path: Path) -> None:
    shutil.copytree(in_workspace.root / "feast", tmp_path / "feast")
    result = run(tmp_path, "feast", "materialize", *FOREVER, folder="feature_repo", check=False)
    assert result.returncode != 0
    assert "next: cd dbt_project && dbt build" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
