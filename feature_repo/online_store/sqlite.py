"""The embedded online store."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key
from feast.infra.online_stores.sqlite import (
    SqliteOnlineStore,
    SqliteOnlineStoreConfig,
    _quote_id,
    _table_id,
)
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.utils import make_tzaware

from feature_repo.online_store.columns import Stored, Wanted
from feature_repo.online_store.erased import Row, without_erased

KEYS_A_QUERY = 500
"""Well below SQLite's limit of variables."""
PATIENCE = 60_000
"""Milliseconds that a write waits for another process's: a batch of `feast materialize` takes seconds."""


def seconds(moment: datetime) -> float:
    """Seconds since 1970, exact to the microsecond until 2242; a moment without a time zone is in UTC, as in Feast."""
    return make_tzaware(moment).timestamp()


def moment_of(stored: bytes) -> datetime:
    """The moment of a column of type timestamp, in UTC without a time zone, as Feast wants it."""
    return datetime.fromtimestamp(float(stored), UTC).replace(tzinfo=None)


# In place of Feast's, which cut off what is below a second and take UTC for local time: of two states in one second
# the older one would replace the newer one. The column is a number either way.
sqlite3.register_adapter(datetime, seconds)
sqlite3.register_converter("timestamp", moment_of)


class ForwardSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """The `online_store` section of feature_store.yaml."""

    type: Literal["feature_repo.online_store.sqlite.ForwardSqliteOnlineStore"]
    """The store below."""


class ForwardSqliteOnlineStore(SqliteOnlineStore):
    """Feast's own overwrites whatever is there, so that materializing an earlier range moves rows back in time."""

    def __init__(self) -> None:
        super().__init__()
        self._writing = threading.Lock()  # threads share the connection, and with it a transaction

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Write the rows that are not older than what is stored for their key; all of them, or none if it fails.

        The stamps are read under the lock of the write, so that nobody writes in between. They are read once a row,
        not once a feature: a row is replaced as a whole, or it would be of two moments where the view is given a
        feature that the stored row lacks.
        """
        connection = self._get_conn(config)
        with self._writing, connection:
            connection.execute(f"pragma busy_timeout = {PATIENCE}")
            connection.execute("begin immediate")
            kept = self._not_older(config, table, without_erased(data))
            super().online_write_batch(config, table, kept, progress)  # which commits
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

    def forget(self, config: RepoConfig, views: Sequence[FeatureView], key: EntityKey) -> None:
        """Remove all that is kept of a key, and overwrite where it was in the file."""
        row = serialize_entity_key(key, config.entity_key_serialization_version)
        with self._changing(config) as connection:
            for view in views:
                connection.execute(f"delete from {self._table(config, view)} where entity_key = ?", [row])

    def ahead(
        self, config: RepoConfig, views: Sequence[FeatureView], moment: datetime
    ) -> list[tuple[FeatureView, list[EntityKey]]]:
        """Of each of one entity's views the keys whose row is of a later moment: nothing replaces it until then."""
        found = []
        for view in views:
            select = f"select distinct entity_key from {self._table(config, view)} where event_ts > ?"
            rows = self._get_conn(config).execute(select, [seconds(moment)])
            version = config.entity_key_serialization_version
            found.append((view, [deserialize_entity_key(key, version) for (key,) in rows]))
        return found

    def undate(self, config: RepoConfig, views: Sequence[FeatureView], keys: Sequence[EntityKey]) -> None:
        """Let rows be replaced by whatever is written next, although it be older: they are of 1970 from now on."""
        rows = [(serialize_entity_key(key, config.entity_key_serialization_version),) for key in keys]
        with self._changing(config) as connection:
            for view in views:
                connection.executemany(
                    f"update {self._table(config, view)} set event_ts = 0 where entity_key = ?", rows
                )

    @contextmanager
    def _changing(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """A transaction of the whole store, which leaves no old bytes in its file."""
        connection = self._get_conn(config)
        with self._writing, connection:
            connection.execute(f"pragma busy_timeout = {PATIENCE}")
            connection.execute("pragma secure_delete = on")
            connection.execute("begin immediate")
            yield connection

    def _table(self, config: RepoConfig, view: FeatureView) -> str:
        return _quote_id(_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))

    def _not_older(self, config: RepoConfig, table: FeatureView, data: list[Row]) -> list[Row]:
        """The rows that may be written, the newest of a key last."""
        keys = [serialize_entity_key(row[0], config.entity_key_serialization_version) for row in data]
        stored: dict[bytes, float] = {}
        for some, places in _parts(keys):
            # no timestamp: as an expression it comes as the number that it is
            select = f"select entity_key, max(event_ts) from {self._table(config, table)}"
            stored |= self._get_conn(config).execute(
                f"{select} where entity_key in ({places}) group by entity_key", some
            )
        kept = [row for key, row in zip(keys, data, strict=True) if seconds(row[2]) >= stored.get(key, -inf)]
        return sorted(kept, key=lambda row: seconds(row[2]))


def _parts(keys: list[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Keys for one query each, and the places for them."""
    for first in range(0, len(keys), KEYS_A_QUERY):
        some = keys[first : first + KEYS_A_QUERY]
        yield some, ", ".join("?" * len(some))
