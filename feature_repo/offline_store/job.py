"""The result of a query over the warehouse: as Arrow, as a stream of record batches, or written to parquet."""

from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage
from feast.types import from_feast_to_pyarrow_type

from dbt_project.durable import written_aside
from feature_repo.offline_store.query import Held, Query
from feature_repo.offline_store.refused import refuse
from feature_repo.offline_store.storage import ParquetSource

ROWS = 250_000
"""Rows of a record batch: with lists of 50 events some 250 MB."""


class WarehouseRetrievalJob(RetrievalJob):
    """A query that runs each time its result is asked for, with the on-demand views computed from it."""

    def __init__(
        self,
        query: Query,
        *,
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._query = query
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata

    def to_reader(self, max_chunksize: int = ROWS) -> pa.RecordBatchReader:
        """The result as record batches of up to `max_chunksize` rows, in the order of `to_arrow`.

        Memory holds a batch at a time and what DuckDB sorts (at most the store's memory_limit, then it spills).
        """
        tables = map(self._transformed, self._query.tables(max_chunksize))
        first = next(tables)
        schema = self._declared(first.schema)
        batches = (batch for table in chain([first], tables) for batch in table.cast(schema).to_batches(max_chunksize))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def to_parquet(self, path: str | Path, allow_overwrite: bool = False) -> None:
        """Write the result to one file, whole or not at all, without holding it in memory.

        Rows come in no particular order unless there are on-demand views. Raises Feast's
        SavedDatasetLocationAlreadyExists where the file exists, unless `allow_overwrite`.
        """
        target = Path(path)
        if target.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(target))
        with written_aside(target) as part:
            if not self.on_demand_feature_views:
                self._query.copy(part)
                return
            reader = self.to_reader()
            with pq.ParquetWriter(part, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result where `storage`, a DatasetStorage, says: what FeatureStore.create_saved_dataset calls."""
        if timeout is not None:
            refuse("timeout")
        source = storage.to_data_source()
        assert isinstance(source, ParquetSource), f"give a DatasetStorage, not a {type(storage).__name__}"
        self.to_parquet(source.path, allow_overwrite)

    def to_sql(self) -> str:
        """Refused."""
        refuse("to_sql")

    def to_remote_storage(self) -> list[str]:
        """Refused."""
        refuse("to_remote_storage")

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        if timeout is not None:
            refuse("timeout")
        return pa.concat_tables(self._query.tables(ROWS))

    def _transformed(self, table: pa.Table) -> pa.Table:
        """The table with the on-demand features, as Feast's own to_arrow computes them."""
        if not self.on_demand_feature_views:
            return table
        job = WarehouseRetrievalJob(
            Held(table),
            full_feature_names=self.full_feature_names,
            on_demand_feature_views=self.on_demand_feature_views,
            metadata=self.metadata,
        )
        return job.to_arrow()

    def _declared(self, schema: pa.Schema) -> pa.Schema:
        """The schema with on-demand features of their declared types: a batch of nulls does not tell its type."""
        for view in self.on_demand_feature_views:
            prefix = f"{view.projection.name_to_use()}__" if self.full_feature_names else ""
            for feature in view.features:
                place = schema.get_field_index(prefix + feature.name)
                if place >= 0:
                    schema = schema.set(
                        place, pa.field(prefix + feature.name, from_feast_to_pyarrow_type(feature.dtype))
                    )
        return schema

    @property
    def full_feature_names(self) -> bool:
        """Whether features are named view__feature."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that are computed from the result."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Which features and keys the result holds."""
        return self._metadata
