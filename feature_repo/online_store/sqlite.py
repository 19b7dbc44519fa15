"""The embedded online store."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.sqlite import (
    SqliteOnlineStore,
    SqliteOnlineStoreConfig,
    _quote_id,
    _table_id,
    adapt_datetime_epoch,
)
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import to_naive_utc

from feature_repo.online_store.columns import Stored, Wanted

KEYS_A_QUERY = 500
"""Well below SQLite's limit of variables."""

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class ForwardSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """The `online_store` section of feature_store.yaml."""

    type: Literal["feature_repo.online_store.sqlite.ForwardSqliteOnlineStore"]
    """The store below."""


class ForwardSqliteOnlineStore(SqliteOnlineStore):
    """Feast's own overwrites whatever is there, so that materializing an earlier range moves rows back in time."""

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Write the rows that are not older, in whole seconds, than what is stored for their key."""
        keys = [serialize_entity_key(row[0], config.entity_key_serialization_version) for row in data]
        stored = self._stored_seconds(config, table, keys)
        kept = [
            row
            for key, row in zip(keys, data, strict=True)
            if key not in stored or adapt_datetime_epoch(to_naive_utc(row[2])) >= stored[key]
        ]
        kept.sort(key=lambda row: to_naive_utc(row[2]))  # of rows with one key the newest is written last
        super().online_write_batch(config, table, kept, progress)
        if progress:
            progress(len(data) - len(kept))

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:
        """Nothing: Feast keeps the plan of its own type of store alone, and would announce these tables each time."""
        return []

    def read_stored(self, config: RepoConfig, wanted: Wanted, keys: Sequence[EntityKey]) -> list[Stored]:
        """See ColumnStore."""
        rows = [serialize_entity_key(key, config.entity_key_serialization_version) for key in keys]
        columns: list[Stored] = []
        for view, names in wanted:
            found: dict[str, dict[bytes, bytes]] = {name: {} for name in names}
            for some, places in _parts(rows):
                select = f"select feature_name, entity_key, value from {self._table(config, view)}"
                for name, row, value in self._get_conn(config).execute(
                    f"{select} where entity_key in ({places})", some
                ):
                    if name in found:
                        found[name][row] = value
            columns.extend([values.get(row) for row in rows] for values in found.values())
        return columns

    def _table(self, config: RepoConfig, view: FeatureView) -> str:
        return _quote_id(_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))

    def _stored_seconds(self, config: RepoConfig, table: FeatureView, keys: list[bytes]) -> dict[bytes, int]:
        """When the stored rows of these keys are of, as Feast stores it."""
        stored: dict[bytes, int] = {}
        for some, places in _parts(keys):
            select = f"select entity_key, max(event_ts) from {self._table(config, table)}"
            stored |= self._get_conn(config).execute(
                f"{select} where entity_key in ({places}) group by entity_key", some
            )
        return stored


def _parts(keys: list[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Keys for one query each, and the places for them."""
    for first in range(0, len(keys), KEYS_A_QUERY):
        some = keys[first : first + KEYS_A_QUERY]
        yield some, ", ".join("?" * len(some))
