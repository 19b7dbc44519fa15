"""Feast's own tests of offline stores, adapted to this one: each names that of Feast's repository it stands for.

Theirs lie in sdk/python/tests/universal/offline_store and integration/offline_store and run over drivers, customers and
orders; docs/features.md lists those that do not apply here, and why. What is expected is found by a plain loop.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.features.feast_drivers import (
    HOUR,
    START,
    TABLES,
    as_of,
    asked,
    expected,
    opened,
    orders,
    rows_of,
    source,
    views,
    write_table,
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the tables."""
    root = tmp_path_factory.mktemp("generic")
    with duckdb.connect(str(root / "warehouse.duckdb")) as connection:
        connection.execute("create schema features")
        for name, rows in TABLES.items():
            connection.register("rows", pa.Table.from_pylist(rows))
            connection.execute(f"create table features.{name} as select * from rows")
            connection.unregister("rows")
    return root


@pytest.fixture
def store(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    return opened(root, tmp_path, *views())


@pytest.mark.parametrize("is_full", [True, False], ids=["full names", "short names"])
def test_historical_features_main(store: Any, is_full: bool) -> None:
    """test_historical_features_main: keys of one and two columns, ttl, unknown keys, on-demand features, a service."""
    from feast import FeatureService

    names = ["driver_stats", "customer_profile", "order"]
    on_demand = ["conv_rate_plus:plus_100", "conv_rate_plus:plus_val"]
    frame = orders(val_to_add=range(60))
    job = store.get_historical_features(frame, [*asked(*names), *on_demand], full_feature_names=is_full)
    wanted = expected(names, is_full)
    for number, row in enumerate(wanted):
        rate = row["driver_stats__conv_rate" if is_full else "conv_rate"]
        prefix = "conv_rate_plus__" if is_full else ""
        row |= {"val_to_add": number, f"{prefix}plus_100": None, f"{prefix}plus_val": None}
        if rate is not None:
            row |= {f"{prefix}plus_100": rate + 100, f"{prefix}plus_val": rate + number}
    assert rows_of(job.to_arrow(), wanted[0]) == wanted
    assert set(job.to_df().columns) == set(wanted[0])
    found = {view.name: view for view in store.list_feature_views()}
    service = FeatureService(
        name="plus", features=[found["driver_stats"][["conv_rate"]], store.get_on_demand_feature_view("conv_rate_plus")]
    )
    store.apply([service])
    by_service = store.get_historical_features(frame, service, full_feature_names=is_full).to_arrow()
    same = [name for name in by_service.column_names if name in wanted[0]]
    assert len(same) > len(frame.columns) + 2
    assert rows_of(by_service, same) == [{name: row[name] for name in same} for row in wanted]


@pytest.mark.parametrize("is_full", [True, False], ids=["full names", "short names"])
def test_a_view_twice_by_two_keys(store: Any, is_full: bool) -> None:
    """test_historical_features_main, its part on mapped entities: where the order came from and where it went."""
    from feast import FeatureService

    place = store.get_feature_view("location_stats")
    service = FeatureService(name="places", features=[
        place.with_name(name).with_join_key_map({"location_id": f"{name}_id"}) for name in ("origin", "destination")
    ])  # fmt: skip
    store.apply([service])
    if not is_full:  # both have a temperature
        from feast.errors import FeatureNameCollisionError

        with pytest.raises(FeatureNameCollisionError):
            store.get_historical_features(orders(), service, full_feature_names=False)
        return
    found = rows_of(store.get_historical_features(orders(), service, full_feature_names=True).to_arrow())
    for row in found:
        for name in ("origin", "destination"):
            known = as_of("location_stats", {"location_id": row[f"{name}_id"]}, row["event_timestamp"])
            assert row[f"{name}__temperature"] == known["temperature"]
    assert any(row["origin__temperature"] != row["destination__temperature"] for row in found)


def test_views_that_share_a_source(store: Any) -> None:
    """test_historical_features_with_shared_batch_source: a view does not answer for features of another."""
    from feast import FeatureView

    schema = store.get_feature_view("driver_stats").schema
    fields = {"v1": [field for field in schema if field.name != "avg_daily_trips"], "v2": schema}
    for name in fields:
        store.apply([FeatureView(name=name, entities=[store.get_entity("driver")], schema=fields[name],
                                 source=source("driver_stats"))])  # fmt: skip
    frame = orders()
    both = store.get_historical_features(frame, ["v1:conv_rate", "v2:avg_daily_trips"]).to_arrow()
    assert {"conv_rate", "avg_daily_trips"} <= set(both.column_names)
    with pytest.raises(KeyError):
        store.get_historical_features(frame, ["v1:avg_daily_trips"]).to_df()


def test_missing_request_data(store: Any) -> None:
    """test_historical_features_with_missing_request_data."""
    from feast.errors import RequestDataNotFoundInEntityDfException

    with pytest.raises(RequestDataNotFoundInEntityDfException):
        store.get_historical_features(orders(), [*asked("customer_profile"), "conv_rate_plus:plus_val"])


@pytest.mark.parametrize("is_full", [True, False], ids=["full names", "short names"])
def test_entities_from_a_query(store: Any, is_full: bool) -> None:
    """test_historical_features_with_entities_from_query."""
    names = ["customer_profile", "order"]
    query = "SELECT customer_id, driver_id, order_id, event_timestamp FROM features.orders"
    job = store.get_historical_features(query, asked(*names), full_feature_names=is_full)
    wanted = [{name: value for name, value in row.items() if name not in ("origin_id", "destination_id")}
              for row in expected(names, is_full)]  # fmt: skip
    assert rows_of(job.to_arrow(), wanted[0]) == wanted
    assert len(job.to_df()) == len(wanted)


@pytest.mark.filterwarnings("ignore:Saving dataset:RuntimeWarning", "ignore:Retrieving datasets:RuntimeWarning")
@pytest.mark.parametrize("is_full", [True, False], ids=["full names", "short names"])
def test_persisting(store: Any, is_full: bool) -> None:
    """test_historical_features_persisting and test_persist_does_not_overwrite."""
    from feast.errors import SavedDatasetLocationAlreadyExists

    from feature_repo.offline_store.storage import DatasetStorage

    names = ["customer_profile", "order"]
    job = store.get_historical_features(orders(), asked(*names), full_feature_names=is_full)
    given = {"name": "training", "storage": DatasetStorage("training.parquet"), "tags": {"env": "test"}}
    saved = store.create_saved_dataset(job, **given, allow_overwrite=True)
    assert rows_of(saved.to_arrow(), expected(names, is_full)[0]) == expected(names, is_full)
    assert rows_of(store.get_saved_dataset("training").to_arrow()) == rows_of(job.to_arrow())
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        store.create_saved_dataset(job, **given)


def test_no_ttl(root: Path, tmp_path: Path) -> None:
    """test_historical_features_with_no_ttl: a ttl of 0 is none."""
    store = opened(root, tmp_path, *views(ttl=timedelta(0)))
    names = ["customer_profile", "order"]
    found = rows_of(store.get_historical_features(orders(), asked(*names)).to_arrow())
    assert found == expected(names, is_full=False, ttl=timedelta(0))
    assert found != expected(names, is_full=False)


def test_backfills(tmp_path: Path) -> None:
    """test_historical_features_containing_backfills: the last moment counts, and of one moment the last created."""
    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Int64

    now, later = START, START + timedelta(days=1)
    rows = [(1001, 10, now, now), (1001, 20, now, later), (1002, 30, now, later), (1002, 40, later, now)]
    write_table(tmp_path, "trips", "driver_id bigint, trips bigint", rows)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    schema = [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int64)]
    view = FeatureView(name="trips", entities=[driver], schema=schema, source=source("trips"))
    frame = pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [later + timedelta(days=1)] * 2})
    found = opened(tmp_path, tmp_path, driver, view).get_historical_features(frame, ["trips:trips"]).to_df()
    assert dict(zip(found["driver_id"], found["trips"], strict=True)) == {1001: 20, 1002: 40}


@pytest.mark.parametrize("is_full", [True, False], ids=["full names", "short names"])
def test_on_demand_features_alone_that_were_asked_for(store: Any, is_full: bool) -> None:
    """test_odfv_projection."""
    prefix = "conv_rate_plus__" if is_full else ""
    for wanted in (["plus_100"], ["plus_100", "plus_val"]):
        features = [f"conv_rate_plus:{name}" for name in wanted]
        job = store.get_historical_features(orders(val_to_add=1), features, full_feature_names=is_full)
        named = {name for name in job.to_df().columns if name.removeprefix(prefix) in ("plus_100", "plus_val")}
        assert named == {prefix + name for name in wanted}


VALUES = {
    "int32": ("integer", [1, 2], pa.types.is_signed_integer),
    "int64": ("bigint", [2**40, 2], pa.types.is_signed_integer),
    "float": ("double", [0.5, 2.0], pa.types.is_float64),
    "string": ("varchar", ["a", "夜"], pa.types.is_string),
    "bool": ("boolean", [True, False], pa.types.is_boolean),
    "datetime": ("timestamp", [START, START + HOUR], pa.types.is_timestamp),
}


@pytest.mark.parametrize("kind", ["value", "list", "empty list"])
@pytest.mark.parametrize("name", VALUES)
def test_types_match(tmp_path: Path, name: str, kind: str) -> None:
    """test_feature_get_historical_features_types_match."""
    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Array, Bool, Float64, Int32, Int64, String, UnixTimestamp

    types = {
        "int32": Int32,
        "int64": Int64,
        "float": Float64,
        "string": String,
        "bool": Bool,
        "datetime": UnixTimestamp,
    }
    sql_type, values, is_right = VALUES[name]
    given: list[Any] = values if kind == "value" else [values, [] if kind == "empty list" else values[:1]]
    columns = f"driver_id bigint, value {sql_type}{'' if kind == 'value' else '[]'}"
    write_table(tmp_path, "typed", columns, [(1, given[0], START, START), (3, given[1], START, START)])
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    dtype = types[name] if kind == "value" else Array(types[name])
    view = FeatureView(name="typed", entities=[driver], source=source("typed"),
                       schema=[Field(name="driver_id", dtype=Int64), Field(name="value", dtype=dtype)])  # fmt: skip
    frame = pd.DataFrame({"driver_id": [1, 3], "event_timestamp": [START + HOUR] * 2})
    job = opened(tmp_path, tmp_path, driver, view).get_historical_features(frame, ["typed:value"])
    table, data = job.to_arrow(), job.to_df()
    found = table.schema.field("value").type
    assert is_right(found if kind == "value" else found.value_type), found
    assert table["value"].to_pylist() == given
    assert [value if kind == "value" else list(value) for value in data["value"]] == given


@pytest.mark.filterwarnings("ignore:Entity value_type:DeprecationWarning")
@pytest.mark.parametrize(("sql_type", "name"), [("integer", "Int32"), ("bigint", "Int64"), ("varchar", "String")])
def test_a_keys_type_is_that_of_its_column(tmp_path: Path, sql_type: str, name: str) -> None:
    """test_entity_inference_types_match."""
    import feast.types
    from feast import Entity, FeatureView, Field

    write_table(tmp_path, "keyed", f"driver_id {sql_type}, value double", [])
    driver = Entity(name="driver", join_keys=["driver_id"])
    view = FeatureView(name="keyed", entities=[driver], source=source("keyed"),
                       schema=[Field(name="value", dtype=feast.types.Float64)])  # fmt: skip
    found = opened(tmp_path, tmp_path, driver, view).get_feature_view("keyed")
    assert [column.dtype for column in found.entity_columns] == [getattr(feast.types, name)]


@pytest.mark.parametrize("pull_latest", [True, False], ids=["latest rows", "all rows"])
def test_materialization_is_consistent(root: Path, tmp_path: Path, pull_latest: bool) -> None:
    """test_universal_materialization_consistency: in two steps, what is online is the last row up to then."""
    store = opened(root, tmp_path, *views())
    store.config.materialization_config.pull_latest_features = pull_latest
    split, end = START + 50 * HOUR, START + 200 * HOUR
    for first, last in ((START - HOUR, split), (split, end)):
        store.materialize(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC), feature_views=["customer_profile"])
        keys = [{"customer_id": customer} for customer in range(1, 8)]
        online = store.get_online_features(asked("customer_profile"), keys).to_dict()
        for place, customer in enumerate(online["customer_id"]):
            known = as_of("customer_profile", {"customer_id": customer}, last, ttl=timedelta(0))
            assert {name: online[name][place] for name in known} == known, (customer, last)


@pytest.mark.parametrize("is_path", [True, False], ids=["a folder", "a table"])
def test_feature_service_logging(store: Any, tmp_path: Path, is_path: bool) -> None:
    """test_feature_service_logging and test_logged_features_validation: two batches come back as they were logged."""
    from feast import FeatureService
    from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig

    from feature_repo.offline_store.storage import LogDestination

    service = FeatureService(
        name="logged",
        features=[store.get_feature_view("driver_stats"), store.get_on_demand_feature_view("conv_rate_plus")],
        logging_config=LoggingConfig(destination=LogDestination("logged")),
    )
    store.apply([service])
    schema = FeatureServiceLoggingSource(feature_service=service, project=store.project).get_schema(store.registry)
    made = {"driver_id": [1, 2, 3, 4], "__request_id": ["a", "b", "c", "d"]}
    at = [(START + number * HOUR).replace(tzinfo=UTC) for number in range(4)]

    def column(field: pa.Field) -> list[Any]:
        if field.name in made:
            return made[field.name]
        if pa.types.is_timestamp(field.type):
            return at
        if pa.types.is_date(field.type):
            return [moment.date() for moment in at]
        return [number * 10 for number in range(4)]

    logs = pa.table({field.name: pa.array(column(field), field.type) for field in schema}, schema)
    for number, batch in enumerate((logs.slice(0, 2), logs.slice(2))):
        folder = tmp_path / f"batch-{number}"
        folder.mkdir()
        pq.write_table(batch, folder / "logs.parquet")
        store.write_logged_features(folder if is_path else batch, service)
    found = store._get_provider().retrieve_feature_service_logs(
        service, at[0], at[-1] + timedelta(seconds=1), store.config, store.registry
    )
    table = found.to_arrow().sort_by("__request_id")
    assert table.num_rows == 4
    for name in logs.column_names:
        wanted = [
            value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in logs[name].to_pylist()
        ]
        values = [
            value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in table[name].to_pylist()
        ]
        assert values == wanted, name
