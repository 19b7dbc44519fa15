"""The offline store against stock Feast's DuckDB store on the same small data, and where stock has no answer."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.offline_store import point_in_time
from tests.features.conftest import START, WEIRD

OF_EVENTS = ("value", "items", "word", WEIRD)
FEATURES = [
    *(f"{view}:{name}" for view in ("plain", "short") for name in OF_EVENTS),
    "person:name",
    "guest:name",
    "rated:rating",
]


def rows_of(table: pa.Table) -> list[tuple]:
    """The rows, sorted, their columns by name, without their timestamp."""
    columns = sorted(name for name in table.column_names if name != "event_timestamp")
    rows = table.select(columns).to_pandas().itertuples(index=False)
    return sorted((tuple(plain(value) for value in row) for row in rows), key=repr)


def plain(value: Any) -> Any:
    """Lists as tuples, every kind of missing as None, numbers as floats: stores differ in these alone."""
    if isinstance(value, str):
        return value
    if hasattr(value, "__len__"):
        return tuple(value)
    return None if pd.isna(value) else float(value)


def ask(store: Any, frame: Any, features: Any = FEATURES) -> list[tuple]:
    return rows_of(store.get_historical_features(frame, features, full_feature_names=True).to_arrow())


def frame_of(moments: list[Any], keys: list[Any] | None = None) -> pd.DataFrame:
    count = len(moments)
    return pd.DataFrame(
        {
            "user_id": keys or [number % 10 for number in range(count)],  # 8 and 9 are unknown to the tables
            "movie_id": [number % 4 for number in range(count)],
            "event_timestamp": moments,
            "label": range(count),
        }
    )


def moments(count: int = 120) -> list[datetime]:
    rng = random.Random(3)
    return [START + timedelta(seconds=rng.randrange(-3, 50), microseconds=rng.choice([0, 1])) for _ in range(count)]


@pytest.mark.parametrize("pruned", [0, 10**9], ids=["pruned", "whole"])
def test_what_was_known_agrees_with_stock(stores: dict[str, Any], pruned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were created late, before they happened, or never; with a ttl and without."""
    monkeypatch.setattr(point_in_time, "PRUNED", pruned)
    frame = frame_of([at + timedelta(seconds=n % 40) for n, at in enumerate(moments())])
    features = ["late:count", "late:items", "brief:count", "brief:items", "person:name"]
    options = {"full_feature_names": True, "filter_by_created_timestamp": True}
    ours, stock = (
        rows_of(store.get_historical_features(frame.copy(), features, **options).to_arrow())
        for store in stores.values()
    )
    assert ours == stock
    assert ours != ask(stores["ours"], frame, features)


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda column: column.dt.tz_localize(UTC), id="utc"),
        pytest.param(lambda column: column.dt.tz_localize(UTC).dt.tz_convert("Asia/Tokyo"), id="offset"),
        pytest.param(lambda column: column.astype("datetime64[ns]").dt.tz_localize(UTC), id="nanoseconds"),
        pytest.param(lambda column: column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"), id="text"),
    ],
)
@pytest.mark.parametrize("pruned", [0, 10**9], ids=["pruned", "whole"])
def test_agrees_with_stock(
    stores: dict[str, Any], convert: Callable[[pd.Series], pd.Series], pruned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ties by created timestamp, ttl, duplicate rows, unknown keys, moments before the first row, lists, nulls, one
    feature name in two views, keys of two columns, tables with one row a key. For a small frame tables are pruned."""
    monkeypatch.setattr(point_in_time, "PRUNED", pruned)
    frame = frame_of(moments())
    frame = pd.concat([frame, frame.head(20)], ignore_index=True)
    frame["event_timestamp"] = convert(frame["event_timestamp"])
    assert ask(stores["ours"], frame) == ask(stores["stock"], frame)


@pytest.mark.parametrize("pruned", [0, 10**9], ids=["pruned", "whole"])
def test_agrees_with_stock_on_renamed_keys(
    stores: dict[str, Any], pruned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table read by two keys of the frame."""
    monkeypatch.setattr(point_in_time, "PRUNED", pruned)
    frame = frame_of(moments()).assign(friend_id=[number * 7 % 10 for number in range(120)])
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_localize(UTC)
    found = {name: ask(store, frame, store.get_feature_service("friends")) for name, store in stores.items()}
    assert found["ours"] == found["stock"]


@pytest.mark.parametrize("seconds", [(20, 22), (-9, -5), (90, 99)], ids=["within", "before", "after"])
def test_a_pruned_table_keeps_the_last_row_before_the_frame(
    stores: dict[str, Any], seconds: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of a few seconds and users, of ties, and with a row without a moment."""
    monkeypatch.setattr(point_in_time, "PRUNED", 0)
    at = [START + timedelta(seconds=second) for second in seconds for _ in range(5)]
    frame = frame_of(at, [1, 2, 3, 3, 9] * 2)
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_localize(UTC)
    assert ask(stores["ours"], frame) == ask(stores["stock"], frame)
    nothing = frame.head(1).assign(event_timestamp=pd.Series([pd.NaT], dtype=frame["event_timestamp"].dtype))
    found = ask(stores["ours"], pd.concat([frame, nothing], ignore_index=True))
    assert len(found) == len(frame) + 1
    assert set(ask(stores["ours"], frame)) <= set(found)


def test_naive_timestamps_are_utc(stores: dict[str, Any]) -> None:
    naive, aware = frame_of(moments()), frame_of(moments())
    aware["event_timestamp"] = aware["event_timestamp"].dt.tz_localize(UTC)
    assert ask(stores["ours"], naive) == ask(stores["ours"], aware)


@pytest.mark.parametrize("tz", [None, "UTC"])
def test_a_nanosecond_before_a_row_does_not_see_it(stores: dict[str, Any], tz: str | None) -> None:
    """Microseconds are cut off towards the past on either side of 1970."""
    from feature_repo.offline_store.entity_frame import microseconds

    for moment in ("1969-12-31T23:59:59.999999999", "2020-01-01T00:00:00.000000999"):
        column = pa.array([pd.Timestamp(moment).value], pa.int64()).cast(pa.timestamp("ns", tz))
        cut = microseconds(pa.table({"event_timestamp": column}))["event_timestamp"][0].value
        assert cut == pd.Timestamp(moment).value // 1000
    frame = f"select 1 as user_id, make_timestamp_ns({-1}) as event_timestamp"
    result = stores["ours"].get_historical_features(frame, ["plain:value"])
    assert result.metadata.max_event_timestamp == datetime(1969, 12, 31, 23, 59, 59, 999999)


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda frame: pa.Table.from_pandas(frame), id="table"),
        pytest.param(lambda frame: pa.Table.from_pandas(frame).to_reader(max_chunksize=7), id="reader"),
    ],
)
def test_arrow_frames_give_what_pandas_frames_give(stores: dict[str, Any], convert: Callable) -> None:
    frame = frame_of(moments())
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_localize(UTC)
    given = convert(frame)
    by_pandas = stores["ours"].get_historical_features(frame, FEATURES, full_feature_names=True)
    by_arrow = stores["ours"].get_historical_features(given, FEATURES, full_feature_names=True)
    assert by_arrow.to_arrow() == by_pandas.to_arrow()
    assert by_arrow.to_arrow() == by_pandas.to_arrow()  # a job runs as often as it is asked
    assert by_arrow.metadata.max_event_timestamp == by_pandas.metadata.max_event_timestamp


def test_a_query_and_a_frame_give_the_same_rows_in_order(stores: dict[str, Any]) -> None:
    query = "select n % 10 as user_id, timestamp '2020-01-01' + to_seconds(n) as event_timestamp from range(45) t(n); "
    frame = frame_of([START + timedelta(seconds=n) for n in range(45)])[["user_id", "event_timestamp"]]
    by_query = stores["ours"].get_historical_features(query + "", ["plain:items", "person:name"]).to_arrow()
    by_frame = stores["ours"].get_historical_features(frame, ["plain:items", "person:name"]).to_arrow()
    assert by_query.drop_columns("event_timestamp") == by_frame.drop_columns("event_timestamp")
    assert by_query["user_id"].to_pylist() == frame["user_id"].tolist()


def test_a_query_may_end_in_a_comment(stores: dict[str, Any]) -> None:
    query = "select 1 as user_id, timestamp '2021-01-01' as event_timestamp -- everyone"
    assert stores["ours"].get_historical_features(query, ["plain:items"]).to_arrow().num_rows == 1


def test_latest_and_all_agree_with_stock(stores: dict[str, Any]) -> None:
    """What materialize pulls: the latest row a key within a range, both ends included."""

    def pull(name: str, method: str) -> list[tuple]:
        store = stores[name]
        job = getattr(store._get_provider().offline_store, method)(
            config=store.config,
            data_source=store.get_feature_view("plain").batch_source,
            join_key_columns=["user_id"],
            feature_name_columns=list(OF_EVENTS),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
            start_date=(START + timedelta(seconds=5)).replace(tzinfo=UTC),
            end_date=(START + timedelta(seconds=25)).replace(tzinfo=UTC),
        )
        return rows_of(job.to_arrow().select(["user_id", *OF_EVENTS]))

    for method in ("pull_latest_from_table_or_query", "pull_all_from_table_or_query"):
        assert pull("ours", method) == pull("stock", method)
        assert pull("ours", method)


def test_null_keys_get_nulls_and_keep_their_row(stores: dict[str, Any]) -> None:
    frame = frame_of([START + timedelta(seconds=60)] * 2, keys=[None, 1])
    result = stores["ours"].get_historical_features(frame, ["plain:items", "person:name"]).to_df()
    assert result["label"].tolist() == [0, 1]
    assert result["items"].isna().tolist() == result["name"].isna().tolist() == [True, False]


def test_a_frame_of_strangers_gets_nulls(stores: dict[str, Any]) -> None:
    frame = frame_of([START + timedelta(seconds=60)] * 3, keys=[8, 9, 10])
    result = stores["ours"].get_historical_features(frame, FEATURES, full_feature_names=True).to_df()
    assert result["label"].tolist() == [0, 1, 2]
    assert result.drop(columns=frame.columns).isna().all().all()


def test_a_null_moment_gets_nulls_and_keeps_its_row(stores: dict[str, Any]) -> None:
    frame = frame_of([pd.NaT, START + timedelta(seconds=60)], keys=[1, 1])
    result = stores["ours"].get_historical_features(frame, ["plain:items", "person:name"]).to_df()
    assert result["label"].tolist() == [0, 1]
    assert result["items"].isna().tolist() == result["name"].isna().tolist() == [True, False]


def test_an_empty_frame_gives_an_empty_result(stores: dict[str, Any]) -> None:
    for empty in (frame_of([START]).head(0), pd.DataFrame(columns=["user_id", "event_timestamp"])):
        result = stores["ours"].get_historical_features(empty, ["plain:items", "person:name"])
        assert len(result.to_df()) == 0
        assert list(result.to_df().columns) == [*empty.columns, "items", "name"]
        assert result.metadata.min_event_timestamp == datetime(1970, 1, 1)


def test_a_setting_says_what_it_is_for() -> None:
    """Each field of the yaml's offline_store section has a docstring below it."""
    import ast
    import inspect

    from feature_repo.offline_store.store import WarehouseOfflineStoreConfig

    body = ast.parse(inspect.getsource(WarehouseOfflineStoreConfig)).body[0].body  # type: ignore[attr-defined]
    described = {
        field.target.id
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    assert described == set(WarehouseOfflineStoreConfig.model_fields)
    documented = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
    assert [name for name in described if f"`{name}`" not in documented] == []
