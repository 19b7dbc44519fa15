"""Every view and every service of this repository against stock Feast's DuckDB store, on all labels."""

from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from tests.conftest import Built
from tests.features.test_offline_store_results import same_rows


@pytest.fixture(scope="module")
def twins(built_workspace: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The repository as it is, and with its marts as parquet files behind stock Feast."""
    from feast import FeatureStore, RepoConfig

    from feature_repo.store import load_store

    root = tmp_path_factory.mktemp("stock")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CINEFEAST_WORKSPACE", str(built_workspace.root))
        environment.delenv("REDIS_CONNECTION_STRING", raising=False)
        ours = load_store()
    stock = FeatureStore(
        config=RepoConfig(
            project="cinefeast",
            provider="local",
            entity_key_serialization_version=3,
            registry=str(root / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(root / "online.db")},
        )
    )
    with duckdb.connect(str(built_workspace.warehouse), read_only=True) as warehouse:
        views = [twin(ours, view, warehouse, root) for view in ours.list_batch_feature_views()]
    stock.apply([*ours.list_entities(), *views, *ours.list_on_demand_feature_views(), *ours.list_feature_services()])
    return {"ours": ours, "stock": stock}


def twin(store: Any, view: Any, warehouse: duckdb.DuckDBPyConnection, root: Path) -> Any:
    """The view over a parquet file of its mart: computed features as columns, a window as a list a row."""
    from feast import FeatureView, FileSource

    from feature_repo.offline_store.source import WindowSource

    source = view.batch_source
    path = root / f"{view.name}.parquet"
    made = "".join(f", {source.feature_sql(feature, str)} as {feature}" for feature in source.computed)
    query = f"select *{made} from {source.table}"
    if isinstance(source, WindowSource):
        query = written_out(source, view.join_keys[0])
    warehouse.execute(f"copy ({query}) to '{path}'")
    return FeatureView(
        name=view.name,
        entities=[store.get_entity(name) for name in view.entities],
        schema=view.schema,
        ttl=view.ttl,
        source=FileSource(
            name=view.name,
            path=str(path),
            timestamp_field=source.timestamp_field,
            created_timestamp_column=source.created_timestamp_column,
        ),
    )


def written_out(source: Any, key: str) -> str:
    """Each row's window, gathered from single events rather than sliced."""
    events = ", ".join(f"unnest({column}) as {feature}" for feature, column in source.columns.items())
    lists = ", ".join(f"list({feature} order by n) as {feature}" for feature in source.columns)
    counted = next(iter(source.columns.values()))
    first = f"and n > t.{source.position} - {source.window}" if source.window else ""
    return (
        f"select t.{key}, t.{source.timestamp_field}, {lists} from {source.table} as t join "
        f"(select {key}, unnest(range(1, len({counted}) + 1)) as n, {events} from {source.history}) as e "
        f"on e.{key} = t.{key} and n <= t.{source.position} {first} group by all"
    )


@pytest.fixture(scope="module")
def frame(built_workspace: Built) -> pd.DataFrame:
    """All labels, some of them twice, and some with keys that are unknown."""
    with duckdb.connect(str(built_workspace.warehouse), read_only=True) as warehouse:
        labels = warehouse.sql("select user_id, movie_id, event_timestamp, rating from training.training_labels").df()
    labels["event_timestamp"] = labels["event_timestamp"].dt.tz_localize(UTC)
    strangers = labels.head(30).assign(user_id=-1, movie_id=-2)
    return pd.concat([labels, labels.sample(200, random_state=5), strangers], ignore_index=True)


def both(twins: dict[str, Any], frame: pd.DataFrame, features: Any, **options: Any) -> list[pa.Table]:
    return [store.get_historical_features(frame.copy(), features, **options).to_arrow() for store in twins.values()]


def test_every_view_agrees_with_stock(twins: dict[str, Any], frame: pd.DataFrame) -> None:
    views = twins["ours"].list_batch_feature_views()
    assert len(views) > 5
    features = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    ours, stock = both(twins, frame.drop(columns="rating"), features, full_feature_names=True)
    assert ours["user_id"].to_pylist() == frame["user_id"].tolist()
    assert ours.num_columns == 3 + len(features)
    assert same_rows(ours, stock)


def requested(labels: pd.DataFrame) -> pd.DataFrame:
    """Labels with what on-demand views take from a request: one film watched, and two channels."""
    one_film = {
        "watched_directors": [7, 0], "watched_cast": [1, 2, 3, 0, 0], "watched_keywords": [5] + [0] * 19,
        "watched_genres": [3], "watched_languages": ["en"], "watched_countries": ["US"], "watched_years": [1994],
        "watched_runtimes": [120], "watched_texts": [0.5, 0.5], "recall_ranks": [1, 0], "recall_scores": [0.3, 0.0],
    }  # fmt: skip
    seconds = labels["event_timestamp"].astype("datetime64[s, UTC]").astype("int64")
    return labels.assign(asked_at=seconds, recall_place=1, **{n: [v] * len(labels) for n, v in one_film.items()})


def test_every_service_agrees_with_stock(twins: dict[str, Any], frame: pd.DataFrame) -> None:
    services = twins["ours"].list_feature_services()
    assert len(services) > 5
    labels = requested(frame.drop(columns="rating").head(1500))
    for service in services:
        ours, stock = both(twins, labels, twins["ours"].get_feature_service(service.name))
        assert ours.num_rows == len(labels), service.name
        assert same_rows(ours, stock), service.name
