"""The offline store against stock Feast's DuckDB store on the same small data, and where stock has no answer."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from dbt_project.errors import CineFeastError

START = datetime(2020, 1, 1)
WEIRD = 'x"; drop table t; --'  # a feature whose name is SQL


def make_table(seed: int) -> pd.DataFrame:
    """200 rows of 8 keys on 40 seconds: many ties, told apart by their created timestamps."""
    rng = random.Random(seed)
    return pd.DataFrame(
        {
            "user_id": [rng.randrange(8) for _ in range(200)],
            "event_timestamp": [START + timedelta(seconds=rng.randrange(40)) for _ in range(200)],
            "created": [START + timedelta(microseconds=n) for n in rng.sample(range(10_000), 200)],
            "value": [rng.choice([None, rng.random()]) for _ in range(200)],
            "items": [[rng.randrange(9) for _ in range(rng.randrange(1, 4))] for _ in range(200)],
            WEIRD: [rng.randrange(100) for _ in range(200)],
        }
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two feature stores over the same table: ours over a DuckDB file, stock Feast's over parquet."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Array, Float64, Int64

    from feature_repo.offline_store.source import WarehouseSource

    root = tmp_path_factory.mktemp("stores")
    table = make_table(7)
    table.to_parquet(root / "t.parquet")
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        connection.execute("create schema features")
        connection.execute(f"create table features.t as select * from '{root / 't.parquet'}'")
    common = {"project": "p", "provider": "local", "entity_key_serialization_version": 3}
    configs = {
        "ours": {
            "type": "feature_repo.offline_store.store.WarehouseOfflineStore",
            "warehouse": str(root / "warehouse.duckdb"),
        },
        "stock": {"type": "duckdb"},
    }
    sources = {
        "ours": WarehouseSource(name="t", table="features.t", created_timestamp_column="created"),
        "stock": FileSource(
            name="t",
            path=str(root / "t.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    }
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    made = {}
    for name, offline in configs.items():
        store = FeatureStore(
            config=RepoConfig(
                **common,
                registry=str(root / f"{name}.db"),
                offline_store=offline,
                online_store={"type": "sqlite", "path": str(root / f"{name}_online.db")},
            )
        )
        schema = [
            Field(name="user_id", dtype=Int64),
            Field(name="value", dtype=Float64),
            Field(name="items", dtype=Array(Int64)),
            Field(name=WEIRD, dtype=Int64),
        ]
        views = [
            FeatureView(name="plain", entities=[user], schema=schema, source=sources[name]),
            FeatureView(name="short", entities=[user], schema=schema, source=sources[name], ttl=timedelta(seconds=3)),
        ]
        store.apply([user, *views])
        made[name] = store
    return made


FEATURES = [f"{view}:{name}" for view in ("plain", "short") for name in ("value", "items", WEIRD)]


def ask(store: Any, frame: Any, **options: Any) -> list[tuple]:
    result = store.get_historical_features(frame, FEATURES, full_feature_names=True, **options).to_df()
    columns = sorted(column for column in result.columns if column not in ("event_timestamp",))
    return sorted((tuple(plain(value) for value in row) for row in result[columns].itertuples(index=False)), key=repr)


def plain(value: Any) -> Any:
    """Lists as tuples, every kind of missing as None, numbers as floats: stores differ in these alone."""
    if hasattr(value, "__len__") and not isinstance(value, str):
        return tuple(value)
    return None if pd.isna(value) else float(value)


def frame_of(moments: list[Any], keys: list[Any] | None = None) -> pd.DataFrame:
    keys = keys or [number % 10 for number in range(len(moments))]  # 8 and 9 are unknown to the table
    return pd.DataFrame({"user_id": keys, "event_timestamp": moments, "label": range(len(moments))})


def moments(count: int = 120) -> list[datetime]:
    rng = random.Random(3)
    return [START + timedelta(seconds=rng.randrange(-3, 50), microseconds=rng.choice([0, 1])) for _ in range(count)]


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda column: column.dt.tz_localize(UTC), id="utc"),
        pytest.param(lambda column: column.dt.tz_localize(UTC).dt.tz_convert("Asia/Tokyo"), id="offset"),
        pytest.param(lambda column: column.astype("datetime64[ns]").dt.tz_localize(UTC), id="nanoseconds"),
        pytest.param(lambda column: column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"), id="text"),
    ],
)
def test_agrees_with_stock(stores: dict[str, Any], convert: Any) -> None:
    """Ties by created timestamp, ttl, duplicate rows, unknown keys, moments before the first row, lists, nulls."""
    frame = frame_of(moments())
    frame = pd.concat([frame, frame.head(20)], ignore_index=True)
    frame["event_timestamp"] = convert(frame["event_timestamp"])
    assert ask(stores["ours"], frame) == ask(stores["stock"], frame)


def test_naive_timestamps_are_utc(stores: dict[str, Any]) -> None:
    naive, aware = frame_of(moments()), frame_of(moments())
    aware["event_timestamp"] = aware["event_timestamp"].dt.tz_localize(UTC)
    assert ask(stores["ours"], naive) == ask(stores["ours"], aware)


def test_latest_and_all_agree_with_stock(stores: dict[str, Any]) -> None:
    """What materialize pulls: the latest row a key within a range, both ends included."""
    end = (START + timedelta(seconds=25)).replace(tzinfo=UTC)
    start = (START + timedelta(seconds=5)).replace(tzinfo=UTC)

    def pull(name: str, method: str) -> list[tuple]:
        store = stores[name]
        provider = store._get_provider()
        job = getattr(provider.offline_store, method)(
            config=store.config,
            data_source=store.get_feature_view("plain").batch_source,
            join_key_columns=["user_id"],
            feature_name_columns=["value", "items", WEIRD],
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
            start_date=start,
            end_date=end,
        )
        rows = job.to_arrow().select(["user_id", "value", "items", WEIRD]).to_pandas()
        return sorted((tuple(plain(value) for value in row) for row in rows.itertuples(index=False)), key=repr)

    for method in ("pull_latest_from_table_or_query", "pull_all_from_table_or_query"):
        assert pull("ours", method) == pull("stock", method)
        assert pull("ours", method)


def test_null_keys_get_nulls_and_keep_their_row(stores: dict[str, Any]) -> None:
    frame = frame_of([START + timedelta(seconds=60)] * 2, keys=[None, 1])
    result = stores["ours"].get_historical_features(frame, ["plain:items"]).to_df()
    assert result["label"].tolist() == [0, 1]
    assert result["items"].isna().tolist() == [True, False]


def test_an_empty_frame_gives_an_empty_result(stores: dict[str, Any]) -> None:
    empty = frame_of([START]).head(0)
    result = stores["ours"].get_historical_features(empty, ["plain:items"]).to_df()
    assert len(result) == 0
    assert list(result.columns) == ["user_id", "event_timestamp", "label", "items"]


def test_a_query_and_a_frame_give_the_same_rows_in_order(stores: dict[str, Any]) -> None:
    query = "select n % 10 as user_id, timestamp '2020-01-01' + to_seconds(n) as event_timestamp from range(45) t(n)"
    frame = frame_of([START + timedelta(seconds=n) for n in range(45)]).drop(columns="label")
    by_query = stores["ours"].get_historical_features(query, ["plain:items"]).to_df()
    by_frame = stores["ours"].get_historical_features(frame, ["plain:items"]).to_df()
    assert [*map(plain, by_query["items"].map(lambda v: () if v is None else v))] == [
        *map(plain, by_frame["items"].map(lambda v: () if v is None else v))
    ]
    assert by_query["user_id"].tolist() == frame["user_id"].tolist()


def test_a_frame_column_named_like_a_feature_is_refused(stores: dict[str, Any]) -> None:
    frame = frame_of([START]).rename(columns={"label": "value"})
    with pytest.raises(CineFeastError, match="column named like a feature: value"):
        stores["ours"].get_historical_features(frame, ["plain:value"])


def test_a_query_that_fails_is_told_in_one_error(stores: dict[str, Any]) -> None:
    with pytest.raises(CineFeastError, match="the entity query fails"):
        stores["ours"].get_historical_features("select * from nowhere", ["plain:value"])


def test_no_warehouse_says_what_to_run(tmp_path: Path) -> None:
    from feature_repo.offline_store.warehouse import open_warehouse

    with pytest.raises(CineFeastError, match="next: cd dbt_project && dbt build"), open_warehouse(str(tmp_path / "x")):
        pass
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database")
    with pytest.raises(CineFeastError, match="cannot be read"), open_warehouse(str(broken)):
        pass
