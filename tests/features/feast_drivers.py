"""Drivers, customers and orders, as Feast has them in its tests of offline stores, and a plain loop over them."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 1)
TTL = {"driver_stats": 10 * HOUR, "customer_profile": 20 * HOUR, "order": 30 * HOUR, "location_stats": 40 * HOUR}
KEYS = {
    "driver_stats": ["driver_id"],
    "customer_profile": ["customer_id"],
    "order": ["driver_id", "customer_id"],
    "location_stats": ["location_id"],
}
FEATURES = {
    "driver_stats": ["conv_rate", "avg_daily_trips"],
    "customer_profile": ["current_balance", "lifetime_trip_count"],
    "order": ["order_is_success"],
    "location_stats": ["temperature"],
}


def made_tables() -> dict[str, list[dict[str, Any]]]:
    """Rows of each view's table, and orders: of known and unknown keys, before and after the rows."""
    rng = random.Random(11)

    def rows(view: str, count: int) -> list[dict[str, Any]]:
        made = {}
        for _ in range(count):
            keys = {key: rng.randrange(1, 6) for key in KEYS[view]}
            at = START + rng.randrange(96) * HOUR
            values = {name: rng.randrange(1000) / 8 for name in FEATURES[view]}
            made[(*keys.values(), at)] = {**keys, "event_timestamp": at, "created": at + HOUR, **values}
        return list(made.values())

    orders = [
        {
            "order_id": number,
            **{key: rng.randrange(1, 8) for key in ("driver_id", "customer_id", "origin_id", "destination_id")},
            "event_timestamp": START + rng.randrange(-5, 140) * HOUR + timedelta(minutes=rng.randrange(2) * 30),
        }
        for number in range(60)
    ]
    return {**{view: rows(view, 120) for view in KEYS}, "orders": orders}


TABLES = made_tables()


def as_of(view: str, keys: dict[str, int], at: datetime, ttl: timedelta | None = None) -> dict[str, Any]:
    """The values of the last row at or before a moment, unless it is older than the ttl; no ttl at all: 0."""
    ttl = TTL[view] if ttl is None else ttl
    rows = [
        row
        for row in TABLES[view]
        if all(row[key] == value for key, value in keys.items())
        and row["event_timestamp"] <= at
        and (not ttl or row["event_timestamp"] >= at - ttl)
    ]
    last = max(rows, key=lambda row: row["event_timestamp"], default=None)
    return {name: last[name] if last else None for name in FEATURES[view]}


def expected(views: list[str], is_full: bool, ttl: timedelta | None = None) -> list[dict[str, Any]]:
    """The orders with the views' features."""
    found = []
    for order in TABLES["orders"]:
        row = dict(order)
        for view in views:
            values = as_of(view, {key: order[key] for key in KEYS[view]}, order["event_timestamp"], ttl)
            row |= {f"{view}__{name}" if is_full else name: value for name, value in values.items()}
        found.append(row)
    return found


def rows_of(table: pa.Table, names: Any = None) -> list[dict[str, Any]]:
    """The rows of a result by order_id, moments without their offset."""
    rows = table.select(list(names or table.column_names)).to_pylist()
    for row in rows:
        row["event_timestamp"] = row["event_timestamp"].replace(tzinfo=None)
    return sorted(rows, key=lambda row: row["order_id"])


def source(name: str, **fields: Any) -> Any:
    from feature_repo.offline_store.source import WarehouseSource

    return WarehouseSource(name=name, table=f"features.{name}", created_timestamp_column="created", **fields)


def views(ttl: timedelta | None = None) -> list[Any]:
    """The entities and views of Feast's tests, an on-demand view with a value of the request among them."""
    from feast import Entity, FeatureView, Field, RequestSource, ValueType
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float64, Int64

    entity = {
        name: Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64)
        for name in ("driver", "customer", "location")
    }
    made = [
        FeatureView(
            name=view,
            entities=[entity[key.removesuffix("_id")] for key in keys],
            schema=[Field(name=key, dtype=Int64) for key in keys]
            + [Field(name=name, dtype=Float64) for name in FEATURES[view]],
            source=source(view),
            ttl=TTL[view] if ttl is None else ttl,
        )
        for view, keys in KEYS.items()
    ]
    request = RequestSource(name="request", schema=[Field(name="val_to_add", dtype=Int64)])

    def conv_rate_plus(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {"plus_100": inputs["conv_rate"] + 100, "plus_val": inputs["conv_rate"] + inputs["val_to_add"]}
        )

    schema = [Field(name="plus_100", dtype=Float64), Field(name="plus_val", dtype=Float64)]
    on_demand = on_demand_feature_view(sources=[made[0], request], schema=schema, mode="pandas")(conv_rate_plus)
    return [*entity.values(), *made, on_demand]


def write_table(root: Path, name: str, columns: str, rows: list[tuple]) -> None:
    """A warehouse with one table; each row ends in its event_timestamp and when it was created."""
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        stamps = "event_timestamp timestamp, created timestamp"
        connection.execute(f"create schema features; create table features.{name} ({columns}, {stamps})")
        for row in rows:
            connection.execute(f"insert into features.{name} values ({', '.join('?' * len(row))})", row)


def opened(root: Path, registry: Path, *objects: Any) -> Any:
    """A feature store over the warehouse, with a registry and an online store of its own."""
    from feast import FeatureStore, RepoConfig

    store = FeatureStore(
        config=RepoConfig(
            project="generic",
            provider="local",
            entity_key_serialization_version=3,
            registry=str(registry / "registry.db"),
            offline_store={
                "type": "feature_repo.offline_store.store.WarehouseOfflineStore",
                "warehouse": str(root / "warehouse.duckdb"),
            },
            online_store={"type": "feature_repo.online_store.sqlite.ForwardSqliteOnlineStore",
                          "path": str(registry / "online.db")},
        )
    )  # fmt: skip
    store.apply(list(objects))
    return store


def orders(**more: Any) -> pd.DataFrame:
    return pd.DataFrame(TABLES["orders"]).assign(**more)


def asked(*names: str) -> list[str]:
    return [f"{view}:{feature}" for view in names for feature in FEATURES[view]]
