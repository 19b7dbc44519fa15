"""The offline store itself: what Feast 0.67 calls (feast.infra.offline_stores.offline_store.OfflineStore)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import field_validator

from dbt_project.errors import CineFeastError
from dbt_project.events.append import append
from dbt_project.workspace import VARIABLE, workspace
from feature_repo.offline_store import landing
from feature_repo.offline_store.entity_frame import EntityFrame, EntityRows, check_names, timestamp_column
from feature_repo.offline_store.job import WarehouseRetrievalJob
from feature_repo.offline_store.point_in_time import ViewQuery
from feature_repo.offline_store.pull import rows_sql
from feature_repo.offline_store.query import PointInTimeQuery, SqlQuery
from feature_repo.offline_store.refused import NoMonitoring, refuse
from feature_repo.offline_store.source import WarehouseSource
from feature_repo.offline_store.storage import LogDestination
from feature_repo.offline_store.warehouse import MEMORY_LIMIT, open_warehouse


class WarehouseOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` section of feature_store.yaml."""

    type: Literal["feature_repo.offline_store.store.WarehouseOfflineStore"]
    """This store."""

    warehouse: str
    """The DuckDB file that dbt published."""

    memory_limit: str = MEMORY_LIMIT
    """What DuckDB may hold in memory for one query, as it writes sizes (8GB); the rest spills beside the warehouse.
    A result in Arrow comes on top."""

    @field_validator("warehouse")
    @classmethod
    def _expanded(cls, path: str) -> str:
        if "${" in path:
            # the yaml is expanded by the shell's rules: an unset variable stays as it is and would name a folder
            raise CineFeastError(f"{VARIABLE} is not set", f'export {VARIABLE}="$PWD/workspace" (in the repository)')
        return path

    def opened(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection to the warehouse."""
        return open_warehouse(self.warehouse, self.memory_limit)


class WarehouseOfflineStore(NoMonitoring, OfflineStore):
    """Point-in-time features out of the dbt-built DuckDB file."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: EntityRows | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **range_: datetime,
    ) -> WarehouseRetrievalJob:
        """For each row of `entity_df`, the features that were known at its event_timestamp, in the frame's order.

        `entity_df` is a pandas frame, an Arrow table or reader, or an SQL query over the warehouse. A key that is
        unknown, null, or has no row yet gives nulls. Timestamps without an offset are UTC.
        `filter_by_created_timestamp`: what had not arrived by then counts as if it never had, of views whose source
        tells when its rows were created. Raises CineFeastError where the frame lacks its timestamp or a key, or has a
        column named like a feature.
        """
        if entity_df is None:
            raise CineFeastError("no entity frame: a range of time alone is not supported", "give entity_df")
        views = [_view_query(view, feature_refs, full_feature_names) for view in feature_views]
        frame = EntityFrame(entity_df)
        store = config.offline_store
        with store.opened() as connection:
            types = frame.types(connection)
        timestamp = timestamp_column(types)
        check_names(types, [name for view in views for name in view.features.values()])
        for view in views:
            for key in view.keys.values():
                if key not in types:
                    raise CineFeastError(f"entity frame has no column {key}, the key of {view.name}", f"add {key}")
        return WarehouseRetrievalJob(
            PointInTimeQuery(store, frame, views, is_known_time=filter_by_created_timestamp),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=FrameMetadata(feature_refs, sorted(set(types) - {timestamp}), store, frame),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> WarehouseRetrievalJob:
        """The latest row a key within the range, both ends included: what materialize writes online."""
        sql = rows_sql(data_source, join_key_columns, feature_name_columns, start_date, end_date, is_latest=True)
        return WarehouseRetrievalJob(SqlQuery(config.offline_store, sql))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> WarehouseRetrievalJob:
        """Every row within the range, both ends included; of a saved dataset every row there is."""
        sql = rows_sql(data_source, join_key_columns, feature_name_columns, start_date, end_date, is_latest=False)
        return WarehouseRetrievalJob(SqlQuery(config.offline_store, sql))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Land ratings for the next dbt build, in the workspace's raw/events/<view>: dbt_project/events.

        Raises CineFeastError for a view whose events dbt does not read, where the columns are not the view's keys,
        features and timestamps or of other types, where a key or a timestamp is null, for a rating that dbt would
        reject, and for one of an erased user. Nothing is landed then.
        """
        schema = landing.event_schema(feature_view)
        landing.check_is_read(feature_view.name, schema)
        required = [*feature_view.join_keys, feature_view.batch_source.timestamp_field]
        events = landing.fitted(table, schema, f"events of {feature_view.name}", required)
        landing.check_ratings(events, f"events of {feature_view.name}")
        append(workspace().events / feature_view.name, events)
        if progress:
            progress(events.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Add served features, a table or a folder of parquet files, to the logs of their service."""
        destination = logging_config.destination
        if not isinstance(destination, LogDestination):
            raise CineFeastError(
                f"features are logged to a {type(destination).__name__}", "give the service a LogDestination"
            )
        table = pq.read_table(data) if isinstance(data, Path) else data
        schema = landing.in_microseconds(source.get_schema(registry))
        logs = landing.fitted(table, schema, f"logs of {destination.service}", [source.get_log_timestamp_column()])
        landing.land_logs(logs, workspace(), destination.service)


class FrameMetadata(RetrievalMetadata):
    """Which features and keys a result holds, and the range of its moments, found when asked for."""

    def __init__(
        self, features: list[str], keys: list[str], store: WarehouseOfflineStoreConfig, frame: EntityFrame
    ) -> None:
        self.features = features
        self.keys = keys
        self._store = store
        self._frame = frame

    def _bounds(self) -> tuple[datetime, datetime]:
        with self._store.opened() as connection:
            return self._frame.bounds(connection)

    @property
    def min_event_timestamp(self) -> datetime:
        """The first moment, naive UTC."""
        return self._bounds()[0]

    @property
    def max_event_timestamp(self) -> datetime:
        """The last moment, naive UTC."""
        return self._bounds()[1]


def _view_query(view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> ViewQuery:
    source = view.batch_source
    if not isinstance(source, WarehouseSource):
        raise CineFeastError(
            f"feature view {view.name} reads a {type(source).__name__}",
            "give it a WarehouseSource in feature_repo/sources.py",
        )
    if set(view.join_keys) <= {DUMMY_ENTITY_ID}:
        refuse("entities=[]")
    prefix = view.projection.name_to_use()
    asked = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == prefix]
    return ViewQuery(
        name=view.name,
        source=source,
        keys=view.projection.join_key_map or {column.name: column.name for column in view.entity_columns},
        features={name: f"{prefix}__{name}" if full_feature_names else name for name in asked},
        ttl=view.ttl,
    )
