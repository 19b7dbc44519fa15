"""Small tables behind two feature stores: ours over a DuckDB file, and stock Feast's DuckDB store over parquet."""

import random
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest

START = datetime(2020, 1, 1)
WEIRD = 'x"; drop table t; --'  # a feature whose name is SQL


def make_tables(seed: int) -> dict[str, pd.DataFrame]:
    """`t`: 8 keys on 40 seconds, ties told apart by their created timestamps. `s`: one row a key. `r`: two keys.

    `l`: created before it happened, at once, up to half a minute late, or never.
    """
    rng = random.Random(seed)

    def seconds() -> datetime:
        return START + timedelta(seconds=rng.randrange(40))

    pairs = rng.sample([(user, movie, second) for user in range(8) for movie in range(3) for second in range(40)], 150)
    return {
        "t": pd.DataFrame(
            {
                "user_id": [rng.randrange(8) for _ in range(200)],
                "event_timestamp": [seconds() for _ in range(200)],
                "created": [START + timedelta(microseconds=n) for n in rng.sample(range(10_000), 200)],
                "value": [rng.choice([None, rng.random()]) for _ in range(200)],
                "items": [[rng.randrange(9) for _ in range(rng.randrange(1, 4))] for _ in range(200)],
                "word": [rng.choice([None, "it's", "夜"]) for _ in range(200)],
                WEIRD: [rng.randrange(100) for _ in range(200)],
            }
        ),
        "s": pd.DataFrame(
            {
                "user_id": range(8),
                "event_timestamp": [seconds() for _ in range(8)],
                "name": [f"user {number}" for number in range(8)],
            }
        ),
        "r": pd.DataFrame(
            {
                "user_id": [user for user, _, _ in pairs],
                "movie_id": [movie for _, movie, _ in pairs],
                "event_timestamp": [START + timedelta(seconds=second) for *_, second in pairs],
                "rating": [rng.randrange(1, 11) / 2 for _ in pairs],
            }
        ),
        "l": late_rows(random.Random(seed)),
    }


def late_rows(rng: random.Random) -> pd.DataFrame:
    """300 rows of 8 keys, no two of a key alike in both of their moments."""
    happened = rng.sample([(user, second, lag) for user in range(8) for second in range(40) for lag in range(31)], 300)
    stamps = [START + timedelta(seconds=second) for _, second, _ in happened]
    created = [at + timedelta(seconds=max(lag - 5, -1)) for at, (*_, lag) in zip(stamps, happened, strict=True)]
    return pd.DataFrame(
        {
            "user_id": [user for user, *_ in happened],
            "event_timestamp": stamps,
            "created": [None if rng.random() < 0.05 else at for at in created],
            "items": [[rng.randrange(9) for _ in range(rng.randrange(1, 4))] for _ in happened],
            "count": range(300),
        }
    ).drop_duplicates(["user_id", "event_timestamp", "created"])


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two feature stores over the same tables: ours over a DuckDB file, stock Feast's over parquet."""
    from feast import FeatureStore, FileSource, PushSource, RepoConfig

    from feature_repo.offline_store.source import WarehouseSource

    root = tmp_path_factory.mktemp("stores")
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        connection.execute("create schema features; create schema core")
        connection.execute(
            "create table core.fct_ratings (user_id bigint, movie_id bigint, rating float, rated_at timestamp)"
        )
        for name, table in make_tables(7).items():
            table.to_parquet(root / f"{name}.parquet")
            connection.execute(f"create table features.{name} as select * from '{root / name}.parquet'")

    def ours(name: str, **fields: Any) -> Any:
        return WarehouseSource(name=name, table=f"features.{name}", **fields)

    def stock(name: str, **fields: Any) -> Any:
        fields = {"timestamp_field": "event_timestamp", **fields}
        return FileSource(name=name, path=str(root / f"{name}.parquet"), **fields)

    offline_stores = {
        ours: {
            "type": "feature_repo.offline_store.store.WarehouseOfflineStore",
            "warehouse": str(root / "warehouse.duckdb"),
        },
        stock: {"type": "duckdb"},
    }
    made = {}
    for source, offline_store in offline_stores.items():
        name = source.__name__
        made[name] = FeatureStore(
            config=RepoConfig(
                project="p",
                provider="local",
                entity_key_serialization_version=3,
                registry=str(root / f"{name}.db"),
                offline_store=offline_store,
                online_store={"type": "sqlite", "path": str(root / f"{name}_online.db")},
            )
        )
        made[name].apply(definitions(source("t", created_timestamp_column="created"), source("s"), source("r")))
        made[name].apply(late_views(source("l", created_timestamp_column="created")))
    pushed = WarehouseSource(name="fct_ratings", table="core.fct_ratings", timestamp_field="rated_at")
    made["ours"].apply(pushed_ratings(PushSource(name="ratings", batch_source=pushed)))
    return made


def pushed_ratings(source: Any) -> list[Any]:
    """The view whose events dbt reads, as feature_repo/views.py has it."""
    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Float32, Int64

    entities = [Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64) for name in ("user", "movie")]
    keys = [Field(name=f"{name}_id", dtype=Int64) for name in ("user", "movie")]
    schema = [*keys, Field(name="rating", dtype=Float32)]
    return [FeatureView(name="user_movie_rating", entities=entities, schema=schema, source=source, online=False)]


def late_views(source: Any) -> list[Any]:
    """Views of rows that were created late, one of them with a ttl."""
    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Array, Int64

    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    schema = [
        Field(name="user_id", dtype=Int64),
        Field(name="count", dtype=Int64),
        Field(name="items", dtype=Array(Int64)),
    ]
    late = FeatureView(name="late", entities=[user], schema=schema, source=source)
    brief = FeatureView(name="brief", entities=[user], schema=schema, source=source, ttl=timedelta(seconds=6))
    return [user, late, brief]


def definitions(events: Any, people: Any, ratings: Any) -> list[Any]:
    """Entities, views and a service over the three tables."""
    from feast import Entity, FeatureService, FeatureView, Field, ValueType
    from feast.types import Array, Float64, Int64, String

    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    movie = Entity(name="movie", join_keys=["movie_id"], value_type=ValueType.INT64)
    key = Field(name="user_id", dtype=Int64)
    schema = [
        key,
        Field(name="value", dtype=Float64),
        Field(name="items", dtype=Array(Int64)),
        Field(name="word", dtype=String),
        Field(name=WEIRD, dtype=Int64),
    ]
    name = Field(name="name", dtype=String)
    plain = FeatureView(name="plain", entities=[user], schema=schema, source=events)
    short = FeatureView(name="short", entities=[user], schema=schema, source=events, ttl=timedelta(seconds=3))
    person = FeatureView(name="person", entities=[user], schema=[key, name], source=people)
    guest = FeatureView(name="guest", entities=[user], schema=[key, name], source=people, ttl=timedelta(seconds=5))
    rated = FeatureView(
        name="rated",
        entities=[user, movie],
        schema=[key, Field(name="movie_id", dtype=Int64), Field(name="rating", dtype=Float64)],
        source=ratings,
    )
    me = plain.with_name("me")  # Feast cannot compare services of which one view alone has another name
    friend = plain.with_name("friend").with_join_key_map({"user_id": "friend_id"})
    return [user, movie, plain, short, person, guest, rated, FeatureService(name="friends", features=[me, friend])]
