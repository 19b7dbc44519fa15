"""The scalar views over other files: behind stock Feast, and for the materialize measurement."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from feast import FeatureStore, FeatureView, FileSource, RepoConfig
from feast.data_source import DataSource

from feature_repo.bench.hand_written import SCALARS
from feature_repo.offline_store.sql import columns, literal

KEYS = {"user_state": "user_id", "movie_state": "movie_id"}


def mart_sql(view: str) -> str:
    """The mart of a scalar view with those columns only."""
    return f"select {columns([KEYS[view], 'event_timestamp', *SCALARS[view]])} from features.feat_{view}"


def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The marts as parquet files."""
    for view in SCALARS:
        target = literal(str(folder / f"{view}.parquet"))
        connection.execute(f"copy ({mart_sql(view)}) to {target} (format parquet)")


def file_source(folder: Path) -> Callable[[str], DataSource]:
    """Stock Feast's source of a view."""
    return lambda view: FileSource(name=view, path=str(folder / f"{view}.parquet"), timestamp_field="event_timestamp")


def definitions(applied: FeatureStore, source: Callable[[str], DataSource]) -> list[Any]:
    """The entities and the scalar views of the applied repository, over other sources."""
    views = [applied.get_feature_view(name) for name in SCALARS]
    twins = [
        FeatureView(
            name=view.name,
            entities=[applied.get_entity(name) for name in view.entities],
            schema=[*view.entity_columns, *(field for field in view.features if field.name in SCALARS[view.name])],
            source=source(view.name),
        )
        for view in views
    ]
    return [*(applied.get_entity(name) for view in views for name in view.entities), *twins]


def stock_store(folder: Path, applied: FeatureStore, **online: Any) -> FeatureStore:
    """Stock Feast, its own DuckDB store and default settings, over the exported files of `folder`."""
    store = FeatureStore(
        config=RepoConfig(
            project=applied.project,
            provider="local",
            entity_key_serialization_version=3,
            registry=str(folder / "stock.db"),
            offline_store={"type": "duckdb"},
            online_store=online or {"type": "sqlite", "path": str(folder / "stock_online.db")},
        )
    )
    store.apply(definitions(applied, file_source(folder)))
    return store
