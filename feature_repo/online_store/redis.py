"""The online store in Redis."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3, _redis_key, compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import make_tzaware
from google.protobuf.timestamp_pb2 import Timestamp

from feature_repo.online_store.columns import Stored, Wanted

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class ForwardRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """The `online_store` section of feature_store.redis.yaml."""

    type: Literal["feature_repo.online_store.redis.ForwardRedisOnlineStore"]
    """The store below."""


class ForwardRedisOnlineStore(RedisOnlineStore):
    """Feast's own skips a row stamped like the stored one, so that a corrected value never arrives."""

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        """Write the rows that are not older than what is stored for their key, in two round trips."""
        view = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
        fields = {feature.name: _mmh3(f"{view}:{feature.name}") for feature in table.features}
        stamp = f"_ts:{view}"
        client = self._get_client(config.online_store)
        keys = [_redis_key(config.project, row[0], config.entity_key_serialization_version) for row in data]
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, stamp)
            latest = {key: _nanoseconds(stored) for key, stored in zip(keys, pipe.execute(), strict=True) if stored}
            for key, (_, values, timestamp, _) in zip(keys, data, strict=True):
                now = Timestamp()
                now.FromDatetime(make_tzaware(timestamp))
                if now.ToNanoseconds() < latest.get(key, 0):
                    continue
                latest[key] = now.ToNanoseconds()
                written = {fields[name]: value.SerializeToString() for name, value in values.items()}
                pipe.hset(key, mapping={stamp: now.SerializeToString(), **written})
                if config.online_store.key_ttl_seconds:
                    pipe.expire(key, config.online_store.key_ttl_seconds)
            pipe.execute()
        if progress:
            progress(len(data))

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


def _nanoseconds(stored: bytes) -> int:
    stamp = Timestamp()
    stamp.ParseFromString(stored)
    return stamp.ToNanoseconds()
