"""The offline store itself: what Feast 0.67 calls (feast.infra.offline_stores.offline_store.OfflineStore)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb
import pandas as pd
import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import (
    assert_expected_columns_in_entity_df,
    infer_event_timestamp_from_entity_df,
)
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import field_validator

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE
from feature_repo.offline_store.point_in_time import ViewQuery, load_entities, payload, point_in_time_sql
from feature_repo.offline_store.source import WarehouseSource, WindowSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table
from feature_repo.offline_store.warehouse import open_warehouse


class WarehouseOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` section of feature_store.yaml."""

    type: Literal["feature_repo.offline_store.store.WarehouseOfflineStore"]
    """This class."""

    warehouse: str
    """The DuckDB file that dbt published."""

    @field_validator("warehouse")
    @classmethod
    def _expanded(cls, path: str) -> str:
        if "${" in path:
            # the yaml is expanded by the shell's rules: an unset variable stays as it is and would name a folder
            raise CineFeastError(f"{VARIABLE} is not set", f'export {VARIABLE}="$PWD/workspace" (in the repository)')
        return path


class WarehouseRetrievalJob(RetrievalJob):
    """A query that runs when its result is asked for."""

    def __init__(
        self,
        run: Callable[[], pa.Table],
        *,
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._run = run
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._run()

    @property
    def full_feature_names(self) -> bool:
        """Whether features are named view__feature."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that Feast computes from the result."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Which features and keys the result holds."""
        return self._metadata


class WarehouseOfflineStore(OfflineStore):
    """Point-in-time features out of the dbt-built DuckDB file."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
    ) -> RetrievalJob:
        """For each row of `entity_df`, the features that were known at its event_timestamp, in the frame's order.

        `entity_df` is a pandas frame or an SQL query over the warehouse. A key that is unknown, null, or has no row
        yet gives nulls. Timestamps without an offset are UTC. Raises CineFeastError where a column of the frame is
        named like a feature.
        """
        views = [_view_query(view, feature_refs, full_feature_names) for view in feature_views]
        schema = _entity_schema(config, entity_df)
        timestamp = infer_event_timestamp_from_entity_df(schema)
        keys = {column for view in views for column in view.keys.values()}
        assert_expected_columns_in_entity_df(schema, keys, timestamp)
        clash = set(schema) & {name for view in views for name in view.features.values()}
        if clash:
            raise CineFeastError(
                f"entity frame has a column named like a feature: {', '.join(sorted(clash))}",
                "rename the column, or ask for full_feature_names=True",
            )

        def run() -> pa.Table:
            with open_warehouse(config.offline_store.warehouse) as connection:
                if not isinstance(entity_df, str):
                    connection.register("frame", pa.Table.from_pandas(entity_df, preserve_index=False))
                relation = entity_df if isinstance(entity_df, str) else "select * from frame"
                load_entities(connection, relation, timestamp)
                return connection.sql(point_in_time_sql(connection, list(schema), views)).to_arrow_table()

        return WarehouseRetrievalJob(
            run,
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(features=feature_refs, keys=sorted(set(schema) - {timestamp})),
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
    ) -> RetrievalJob:
        """The latest row a key within the range, both ends included: what materialize writes online."""
        order = [f"{quoted(timestamp_field)} desc"]
        if created_timestamp_column:
            order.append(f"{quoted(created_timestamp_column)} desc nulls last")
        latest = f"qualify row_number() over (partition by {columns(join_key_columns)} order by {', '.join(order)}) = 1"
        return _pull(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column,
            start_date, end_date, latest,
        )  # fmt: skip

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
    ) -> RetrievalJob:
        """Every row within the range, both ends included."""
        return _pull(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column,
            start_date, end_date, "",
        )  # fmt: skip


def _view_query(view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> ViewQuery:
    source = view.batch_source
    if not isinstance(source, WarehouseSource):
        raise CineFeastError(
            f"feature view {view.name} reads a {type(source).__name__}",
            "give it a WarehouseSource in feature_repo/sources.py",
        )
    prefix = view.projection.name_to_use()
    asked = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == prefix]
    join_keys = [column.name for column in view.entity_columns]
    return ViewQuery(
        source=source,
        keys=view.projection.join_key_map or {key: key for key in join_keys},
        features={name: f"{prefix}__{name}" if full_feature_names else name for name in asked},
        ttl=view.ttl,
    )


def _entity_schema(config: RepoConfig, entity_df: pd.DataFrame | str) -> dict[str, Any]:
    """Column names and pandas types of the entity frame, without running its query."""
    if not isinstance(entity_df, str):
        return dict(zip(entity_df.columns, entity_df.dtypes, strict=True))
    with open_warehouse(config.offline_store.warehouse) as connection:
        try:
            empty = connection.sql(f"select * from ({entity_df}) limit 0").df()
        except duckdb.Error as error:
            raise CineFeastError(f"the entity query fails: {error}", "correct the query") from error
    return dict(zip(empty.columns, empty.dtypes, strict=True))


def _pull(
    config: RepoConfig,
    source: DataSource,
    join_keys: list[str],
    features: list[str],
    timestamp_field: str,
    created_timestamp_column: str | None,
    start_date: datetime | None,
    end_date: datetime | None,
    qualify: str,
) -> RetrievalJob:
    assert isinstance(source, WarehouseSource)
    within = [
        f"{quoted(timestamp_field)} {comparison} timestamp '{_naive_utc(moment).isoformat(sep=' ')}'"
        for comparison, moment in ((">=", start_date), ("<=", end_date))
        if moment is not None
    ]
    view = ViewQuery(source, {key: key for key in join_keys}, {name: name for name in features}, None)
    stamps = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]
    selected = ", ".join([columns(join_keys, "t"), *payload(view, "t", "a"), columns(stamps, "t")])
    history = ""
    if isinstance(source, WindowSource):
        on_key = " and ".join(f"a.{quoted(key)} = t.{quoted(key)}" for key in join_keys)
        history = f" left join {quoted_table(source.history)} as a on {on_key}"
    query = (
        f"with hits as (select rowid as hit from {quoted_table(source.table)} "
        f"where {' and '.join(within) or 'true'} {qualify}) "
        f"select {selected} from hits join {quoted_table(source.table)} as t on t.rowid = hits.hit{history}"
    )

    def run() -> pa.Table:
        with open_warehouse(config.offline_store.warehouse) as connection:
            return connection.sql(query).to_arrow_table()

    return WarehouseRetrievalJob(run)


def _naive_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
