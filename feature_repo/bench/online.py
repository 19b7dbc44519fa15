"""Materialize into Redis: our settings, stock settings, and the same bytes written without Feast."""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import redis
from feast import FeatureStore

from dbt_project.workspace import VARIABLE, Workspace
from feature_repo.bench import twins
from feature_repo.bench.hand_written import SCALARS
from feature_repo.offline_store.source import WarehouseSource
from feature_repo.offline_store.sql import literal
from feature_repo.store import REPOSITORY

FOREVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
BATCH = 10_000


def prepare(connection: duckdb.DuckDBPyConnection, folder: Path, keys: int) -> dict[str, int]:
    """All rows of up to `keys` users and `keys` films: as a warehouse for ours, as parquet files for stock."""
    small = Workspace(folder / "small")
    small.warehouse.parent.mkdir(parents=True)
    connection.execute(f"attach {literal(str(small.warehouse))} as small")
    connection.execute("create schema small.features")
    rows = 0
    for view, key in twins.KEYS.items():
        some = f"select distinct {key} from features.feat_{view} order by hash({key}) limit {keys}"
        table = f"small.features.feat_{view}"
        connection.execute(f"create table {table} as {twins.mart_sql(view)} where {key} in ({some})")
        connection.execute(f"copy {table} to {literal(str(small.root / f'{view}.parquet'))} (format parquet)")
        rows += connection.sql(f"select count(*) from {table}").fetchall()[0][0]
    connection.execute("detach small")
    return {"materialize_source_rows": rows}


def our_store(folder: Path, address: str, applied: FeatureStore) -> FeatureStore:
    """The repository's own Redis environment over the small warehouse."""
    os.environ |= {VARIABLE: str(folder), "REDIS_CONNECTION_STRING": address, "REDIS_TYPE": ""}
    store = FeatureStore(repo_path=str(REPOSITORY), fs_yaml_file=REPOSITORY / "feature_store.redis.yaml")
    store.apply(twins.definitions(applied, lambda view: WarehouseSource(name=view, table=f"features.feat_{view}")))
    return store


def materialize(
    folder: Path, address: str, kind: str, applied: FeatureStore, start_limits: Callable[[], None]
) -> dict[str, Any]:
    """Seconds, keys that are there afterwards, and a digest of all of them."""
    small = folder / "small"
    if kind == "ours":
        store = our_store(small, address, applied)
    else:
        store = twins.stock_store(small, applied, type="redis", connection_string=address)
    start_limits()
    start = time.perf_counter()
    store.materialize(*FOREVER, feature_views=list(SCALARS))
    seconds = time.perf_counter() - start
    content = stored(address)
    digest = hashlib.sha256(repr(sorted((key, sorted(fields.items())) for key, fields in content.items())).encode())
    return {"seconds": seconds, "keys": len(content), "digest": digest.hexdigest()}


def stored(address: str) -> dict[bytes, dict[bytes, bytes]]:
    """Everything in Redis."""
    with redis.Redis.from_url(f"redis://{address}") as client:
        keys = list(client.scan_iter(count=BATCH))
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            return dict(zip(keys, pipe.execute(), strict=True))


def raw(address: str) -> dict[str, Any]:
    """Write what is stored again, one pipelined HSET a key: seconds and keys."""
    content = list(stored(address).items())
    with redis.Redis.from_url(f"redis://{address}") as client:
        client.flushall()
        start = time.perf_counter()
        for first in range(0, len(content), BATCH):
            with client.pipeline(transaction=False) as pipe:
                for key, fields in content[first : first + BATCH]:
                    pipe.hset(key, mapping=fields)
                pipe.execute()
        return {"seconds": time.perf_counter() - start, "keys": len(content)}
