"""The online store in Redis: one server, a cluster, or the master that a Sentinel names."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, repeat
from typing import Any, Literal

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import deserialize_entity_key
from feast.infra.online_stores.helpers import _mmh3, _redis_key, _redis_key_prefix, compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.utils import make_tzaware
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import Field
from redis import Redis, RedisCluster

from dbt_project.errors import CineFeastError
from feature_repo.online_store.columns import Stored, Wanted
from feature_repo.online_store.compare_and_set import TOGETHER, Fields, commands
from feature_repo.online_store.encoding import encoded_rows
from feature_repo.online_store.erased import Row, without_erased, without_erased_users

UNDATE = "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end"
"""Stamps a row that is there with 1970."""
KEYS_A_SCAN = 1000


def moment_of(stamp: bytes) -> datetime:
    """A stored stamp."""
    return Timestamp.FromString(stamp).ToDatetime(tzinfo=UTC)


def redis_type() -> RedisType:
    """REDIS_TYPE, one server if it is not set; CineFeastError for one that there is not."""
    kinds, given = [kind.value for kind in RedisType], os.environ.get("REDIS_TYPE") or RedisType.redis
    if given not in kinds:
        raise CineFeastError(f"REDIS_TYPE={given!r} is none of {', '.join(kinds)}", f"export REDIS_TYPE={kinds[0]}")
    return RedisType(given)


class ForwardRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """The `online_store` section of feature_store.redis.yaml, and the environment for what is not there."""

    type: Literal["feature_repo.online_store.redis.ForwardRedisOnlineStore"]
    """The store below."""
    redis_type: RedisType = Field(default_factory=redis_type)
    """One server, a cluster, or what a Sentinel names as the master."""
    sentinel_master: str = Field(default_factory=lambda: os.environ.get("REDIS_SENTINEL_MASTER") or "mymaster")
    """The Sentinel's name of the master."""


def client_of(connection_string: str) -> Redis | RedisCluster:
    """A client of the Redis that the environment describes. On a cluster a command has keys of one slot alone, which
    holds of all that CineFeast sends: one key each. A cluster must answer now, others when they are asked."""
    return ForwardRedisOnlineStore()._get_client(config_of(connection_string))


async def async_client_of(connection_string: str) -> Any:
    """The same for an event loop, that which asks."""
    return await ForwardRedisOnlineStore()._get_client_async(config_of(connection_string))


def config_of(connection_string: str) -> ForwardRedisOnlineStoreConfig:
    """The store that the environment describes, at this address."""
    kind = "feature_repo.online_store.redis.ForwardRedisOnlineStore"
    return ForwardRedisOnlineStoreConfig(type=kind, connection_string=connection_string)


class ForwardRedisOnlineStore(RedisOnlineStore):
    """Feast's own skips a row stamped like the stored one, so that a corrected value never arrives; and it reads the
    stamp, then writes, so that an older row may replace one that was written in between."""

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Write the rows that are not older than what is stored for their key, in one round trip."""
        self._write(config, _rows(config, table, data))
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """The same for `feast serve`."""
        client = await self._get_client_async(config.online_store)
        async with client.pipeline(transaction=False) as pipe:
            for command in self._commands(config, _rows(config, table, data)):
                pipe.execute_command(*command)
            await pipe.execute()
        if progress:
            progress(len(data))

    def write_columns(self, config: RepoConfig, view: FeatureView, batch: pa.RecordBatch) -> None:
        """See ColumnWriter."""
        columns = encoded_rows(config, view, without_erased_users(batch))
        versioned = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
        named = [(f"_ts:{versioned}", columns.stamps)]
        named += [(_mmh3(f"{versioned}:{name}"), values) for name, values in columns.values.items()]
        fields = zip(*(part for name, values in named for part in (repeat(name), values)), strict=False)
        project = config.project.encode()
        self._write(config, zip((key + project for key in columns.keys), fields, strict=True))

    def _write(self, config: RepoConfig, rows: Iterable[tuple[bytes, Fields]]) -> None:
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for command in self._commands(config, rows):
                pipe.execute_command(*command)
            pipe.execute()

    def _commands(self, config: RepoConfig, rows: Iterable[tuple[bytes, Fields]]) -> Iterator[tuple[object, ...]]:
        is_cluster = config.online_store.redis_type == RedisType.redis_cluster
        return commands(rows, config.online_store.key_ttl_seconds or 0, 1 if is_cluster else TOGETHER)

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Any:
        """Feast's; Sentinels are asked no longer than their master, as `retry` of the connection string says.

        redis-py hands them the timeouts alone, and asks a dead one again for ten seconds.
        """
        if not self._client and online_store_config.redis_type == RedisType.redis_sentinel:
            pool = super()._get_client(online_store_config).connection_pool
            if "retry" in pool.connection_kwargs:
                for sentinel in pool.sentinel_manager.sentinels:
                    sentinel.set_retry(pool.connection_kwargs["retry"])
        return super()._get_client(online_store_config)

    def read_stored(self, config: RepoConfig, wanted: Wanted, keys: Sequence[EntityKey]) -> list[Stored]:
        """See ColumnStore: one HMGET a key, for all views at once, as they share the entity's hash."""
        versioned = config.registry.enable_online_feature_view_versioning
        fields = [
            _mmh3(f"{compute_versioned_name(table, versioned)}:{name}") for table, names in wanted for name in names
        ]
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(_redis_key(config.project, key, config.entity_key_serialization_version), fields)
            return [list(column) for column in zip(*pipe.execute(), strict=True)] or [[] for _ in fields]

    def forget(self, config: RepoConfig, views: Sequence[FeatureView], key: EntityKey) -> None:
        """Remove all that is kept of a key: its views share one hash."""
        client = self._get_client(config.online_store)
        client.delete(_redis_key(config.project, key, config.entity_key_serialization_version))

    def ahead(
        self, config: RepoConfig, views: Sequence[FeatureView], moment: datetime
    ) -> list[tuple[FeatureView, list[EntityKey]]]:
        """See ForwardSqliteOnlineStore. Every key of the entity is looked at, some at a time."""
        client, project = self._get_client(config.online_store), config.project.encode()
        stamps = self._stamps(config, views)
        found: list[tuple[FeatureView, list[EntityKey]]] = [(view, []) for view in views]
        keys = client.scan_iter(_redis_key_prefix(views[0].join_keys) + b"*" + project, count=KEYS_A_SCAN)
        while some := list(islice(keys, KEYS_A_SCAN)):
            with client.pipeline(transaction=False) as pipe:
                for key in some:
                    pipe.hmget(key, stamps)
                rows = pipe.execute()
            for key, row in zip(some, rows, strict=True):
                entity = key.removesuffix(project), config.entity_key_serialization_version
                for (_, late), at in zip(found, row, strict=True):
                    if at and moment_of(at) > moment:
                        late.append(deserialize_entity_key(*entity))
        return found

    def undate(self, config: RepoConfig, views: Sequence[FeatureView], keys: Sequence[EntityKey]) -> None:
        """See ForwardSqliteOnlineStore."""
        stamps = self._stamps(config, views)
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for key in keys:
                name = _redis_key(config.project, key, config.entity_key_serialization_version)
                for stamp in stamps:
                    pipe.execute_command("EVAL", UNDATE, 1, name, stamp, Timestamp(seconds=0).SerializeToString())
            pipe.execute()

    def _stamps(self, config: RepoConfig, views: Sequence[FeatureView]) -> list[str]:
        """The fields of a key's hash that hold the moments of its rows."""
        versioned = config.registry.enable_online_feature_view_versioning
        return [f"_ts:{compute_versioned_name(view, versioned)}" for view in views]


def _rows(config: RepoConfig, table: FeatureView, data: list[Row]) -> Iterator[tuple[bytes, Fields]]:
    """Feast's rows by key, with the fields of their hash."""
    view = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
    names = {feature.name: _mmh3(f"{view}:{feature.name}") for feature in table.features}
    for entity, values, moment, _ in without_erased(data):
        now = Timestamp()
        now.FromDatetime(make_tzaware(moment))
        fields: list[bytes | str] = [f"_ts:{view}", now.SerializeToString()]
        for name, value in values.items():
            fields += (names[name], value.SerializeToString())
        yield _redis_key(config.project, entity, config.entity_key_serialization_version), tuple(fields)
