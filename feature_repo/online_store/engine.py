"""How `feast materialize` moves a view: in columns from the warehouse to an online store that takes them."""

from typing import Any, Literal, Protocol, runtime_checkable

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.types import Int64
from feast.utils import _get_column_names

from feature_repo.offline_store.job import WarehouseRetrievalJob

BATCH = 10_000
"""Rows at a time where the settings name no `online_write_batch_size`."""


@runtime_checkable
class ColumnWriter(Protocol):
    """An online store that takes rows as columns."""

    def write_columns(self, config: RepoConfig, view: FeatureView, batch: pa.RecordBatch) -> None:
        """Write the rows that are not older than what is stored for their key."""
        ...


class ColumnEngineConfig(LocalComputeEngineConfig):
    """The `batch_engine` section of the yaml."""

    type: Literal["feature_repo.online_store.engine.ColumnEngine"] = "feature_repo.online_store.engine.ColumnEngine"
    """The engine below."""


class ColumnEngine(LocalComputeEngine):
    """Feast's own takes all rows through pandas, then makes a message of each value. What it is given beyond plain
    views of one numbered entity (transformations, aggregations, another online store) it is left to do."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any) -> Any:
        view = task.feature_view
        if not (isinstance(self.online_store, ColumnWriter) and self._is_plain(view)):
            return super()._materialize_one(registry, task, **kwargs)
        job_id = f"{view.name}-{task.start_time}-{task.end_time}"
        try:
            for batch in self._latest(registry, task).to_reader(self._batch_size):
                self.online_store.write_columns(self.repo_config, view, batch)
        except Exception as error:  # Feast raises it where it looks at the job
            return LocalMaterializationJob(job_id=job_id, status=MaterializationJobStatus.ERROR, error=error)
        return LocalMaterializationJob(job_id=job_id, status=MaterializationJobStatus.SUCCEEDED)

    @property
    def _batch_size(self) -> int:
        return self.repo_config.materialization_config.online_write_batch_size or BATCH

    def _is_plain(self, view: FeatureView) -> bool:
        is_latest = self.repo_config.materialization_config.pull_latest_features
        has_more = any(getattr(view, name, None) for name in ("feature_transformation", "aggregations", "filter"))
        is_renamed = bool(view.batch_source.field_mapping)
        is_numbered = [column.dtype for column in view.entity_columns] == [Int64]
        return view.online and not view.offline and is_latest and is_numbered and not (has_more or is_renamed)

    def _latest(self, registry: BaseRegistry, task: MaterializationTask) -> WarehouseRetrievalJob:
        """The latest row of each key within the range."""
        view = task.feature_view
        entities = [registry.get_entity(name, task.project) for name in view.entities]
        keys, features, stamp, created = _get_column_names(view, entities)
        return self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=view.batch_source,
            join_key_columns=keys,
            feature_name_columns=features,
            timestamp_field=stamp,
            created_timestamp_column=created,
            start_date=task.start_time,
            end_date=task.end_time,
        )
