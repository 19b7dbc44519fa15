"""Nothing leaks, and what training saw is what serving reads."""

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.commands import FOREVER, REPOSITORY, ended, run
from tests.conftest import Built, OnRedis
from tests.features.film_facts import film_facts
from tests.features.online import compare_online_with_history
from tests.features.oracle import accepted, movie_features, same, user_features


@pytest.fixture
def store(in_workspace: Built) -> Any:
    from feature_repo.store import load_store

    return load_store()


def test_labels_of_the_whole_chain_see_exactly_what_was_before_them(store: Any, in_workspace: Built) -> None:
    """From the archive on, through `dbt build`, against the oracle; test_no_leak has harder ratings."""
    films = film_facts(in_workspace.data)
    genres = {film: facts.genres for film, facts in films.items()}
    ratings = accepted(in_workspace.data.ratings)
    labels = "select user_id, movie_id, event_timestamp from training.training_labels where rating_id % 13 = 0"
    features = [f"{v.name}:{f.name}" for v in store.list_batch_feature_views() for f in v.features]
    wanted = [
        name
        for name in features
        if name.split(":")[0] in ("user_state", "user_history", "movie_state", "movie_influence")
    ]
    rows = store.get_historical_features(labels, wanted).to_arrow().to_pylist()
    assert len(rows) > 250
    for row in rows:
        at = pd.Timestamp(row["event_timestamp"], tz="UTC").timestamp()
        expected = user_features(ratings, row["user_id"], at, genres) | movie_features(
            ratings, row["movie_id"], at, films
        )
        wrong = {name: value for name, value in expected.items() if name in row and not same(row[name], value)}
        assert not wrong, (row["user_id"], row["movie_id"], at)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_is_online_is_what_history_says(
    kind: str, in_workspace: Built, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every feature of every view and every service, for every user and film, lists and nulls included."""
    from feature_repo.store import load_store

    if kind == "redis":
        redis_demo: OnRedis = request.getfixturevalue("redis_demo")
        monkeypatch.setenv("CINEFEAST_WORKSPACE", str(redis_demo.root))
        monkeypatch.setenv("REDIS_CONNECTION_STRING", redis_demo.server.address)
    compared = compare_online_with_history(load_store(), *in_workspace.data.ids)
    print(f"{kind}: {compared:,} values compared, 0 mismatches")
    assert compared > 10_000


def test_the_registry_matches_dbt(store: Any, in_workspace: Built) -> None:
    """Names, types and grains of every view against dbt's manifest; what a source computes is a function there."""
    manifest = json.loads((in_workspace.root / "dbt_target" / "manifest.json").read_text())
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    functions = {node["name"]: node for node in manifest["functions"].values()}
    kinds = {
        "bigint": "Int64", "float": "Float32", "double": "Float64", "varchar": "String",
        "float[]": "Array(Float32)", "bigint[]": "Array(Int64)", "varchar[]": "Array(String)",
    }  # fmt: skip
    for view in store.list_batch_feature_views():
        source = view.batch_source
        mart = models[view.tags["mart"]]
        keys = [*view.join_keys, source.timestamp_field]
        if hasattr(source, "history"):
            table, history = (models[name.split(".")[1]]["columns"] for name in (source.table, source.history))
            plain = {field.name for field in view.features} & table.keys()
            found = {name: kinds[table[name]["data_type"]] for name in plain}
            for feature, column in source.columns.items():
                assert [table[name]["data_type"] for name in source.columns_of(feature)] == ["bigint"]
                found[feature] = kinds[history[column]["data_type"]]
        else:
            assert source.table.split(".")[1] == mart["name"]
            # a view with one row a key has the key alone as its grain
            assert set(mart["primary_key"]) in ({*keys}, {*view.join_keys}, {"rating_id"})
            found = {
                name: kinds[column["data_type"]]
                for name, column in mart["columns"].items()
                if name in {field.name for field in view.features} and name not in keys
            }
            for feature in source.computed:
                assert set(source.columns_of(feature)) <= set(mart["columns"])
                found[feature] = kinds[functions[feature]["returns"]["data_type"]]
        assert {field.name: str(field.dtype) for field in view.features} == found, view.name


def test_each_model_is_an_exposure_of_the_marts_that_it_reads(store: Any, in_workspace: Built) -> None:
    manifest = json.loads((in_workspace.root / "dbt_target" / "manifest.json").read_text())
    exposures = {
        node["name"]: {parent.split(".")[-1] for parent in node["depends_on"]["nodes"]}
        for node in manifest["exposures"].values()
    }
    expected = {}
    for file in (REPOSITORY / "models" / "configs").glob("*.toml"):
        config = tomllib.loads(file.read_text())
        if "service" not in config:  # how models are merged or varied
            continue
        names = [
            projection.name for projection in store.get_feature_service(config["service"]).feature_view_projections
        ]
        sources = [view.batch_source for view in store.list_batch_feature_views() if view.name in names]
        tables = {table for source in sources for table in (source.table, getattr(source, "history", source.table))}
        expected[file.stem] = {"training_labels", *(table.split(".")[1] for table in tables)}
    assert exposures == expected


def test_services_leave_out_what_looks_ahead(store: Any) -> None:
    for service in store.list_feature_services():
        for projection in service.feature_view_projections:
            assert not [field.name for field in projection.features if "lookahead" in field.name]


def test_feast_without_a_workspace_says_what_to_run() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CINEFEAST_WORKSPACE"}
    result = ended(environment, "feast", "plan", folder="feature_repo")
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
