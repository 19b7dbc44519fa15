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
    """Each row's windows, gathered from single events rather than sliced."""
    lists = []
    for feature, array in source.columns.items():
        position = f"t.{source.position if isinstance(source.position, str) else source.position[feature]}"
        first = f"and n > {position} - {source.window}" if source.window else ""
        events = f"select unnest(h.{array}) as event, unnest(range(1, len(h.{array}) + 1)) as n"
        lists.append(f"(select list(event order by n) from ({events}) where n <= {position} {first}) as {feature}")
    return f"select t.*, {', '.join(lists)} from {source.table} as t join {source.history} as h on h.{key} = t.{key}"


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
