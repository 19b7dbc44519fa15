"""What a user may get wrong around the offline store: each mistake is one line that names it and what to do."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureView, Field
from feast.monitoring.monitoring_service import MonitoringService
from feast.types import Float64

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.refused import REASONS, NotSupportedError
from feature_repo.offline_store.source import WarehouseSource
from feature_repo.offline_store.warehouse import open_warehouse
from tests.commands import REPOSITORY
from tests.features.conftest import START


def frame() -> pd.DataFrame:
    return pd.DataFrame({"user_id": [1, 2], "event_timestamp": [START, START], "label": [0, 1]})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (frame().drop(columns="event_timestamp"), "entity frame has no column event_timestamp: user_id, label"),
        (frame().assign(event_timestamp=5), "entity frame's event_timestamp is BIGINT, not a moment"),
        (frame().drop(columns="user_id"), "entity frame has no column user_id, the key of plain"),
        (frame().rename(columns={"label": "value"}), "entity frame has a column named like a feature: value"),
        (frame().rename(columns={"label": "VALUE"}), "entity frame has a column named like a feature: value"),
        (frame().assign(LABEL=1), "entity frame has columns that differ at most in case"),
        (frame().assign(__pit_row=1), "entity frame has a column named __pit_row"),
        (frame().assign(label=[1, "a"]), "entity frame cannot be read"),
        ("select * from nowhere", "the entity query fails"),
        ([1, 2], "an entity frame of list"),
        (None, "no entity frame"),
    ],
)
def test_a_frame_that_cannot_be_joined_is_refused_at_once(stores: dict[str, Any], rows: Any, said: str) -> None:
    with pytest.raises(CineFeastError, match=said) as raised:
        stores["ours"].get_historical_features(rows, ["plain:value"])
    assert "; next: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_the_store_does_not_have_is_refused_with_its_reason(stores: dict[str, Any]) -> None:
    job = stores["ours"].get_historical_features(frame(), ["plain:value"])
    calls: dict[str, Callable[[], Any]] = {
        "to_sql": job.to_sql,
        "to_remote_storage": job.to_remote_storage,
        "timeout": lambda: job.to_arrow(timeout=1),
        "entities=[]": lambda: of_everybody(stores["ours"]),
        "feast monitor": lambda: MonitoringService(stores["ours"]).auto_compute("world"),
    }
    assert calls.keys() == REASONS.keys()
    told = (REPOSITORY / "docs" / "features.md").read_text(encoding="utf-8")
    for what, call in calls.items():
        reason, instead = REASONS[what]
        with pytest.raises(NotSupportedError, match=re.escape(f"{what} is not supported: {reason}")) as raised:
            call()
        assert raised.value.next_command == instead
        assert f"| `{what}` | {reason} |" in told


def of_everybody(store: Any) -> Any:
    """What is asked of a view that has no entity."""
    source = WarehouseSource(name="everybody", table="features.t")
    store.apply(
        [FeatureView(name="everybody", entities=[], schema=[Field(name="value", dtype=Float64)], source=source)]
    )
    return store.get_historical_features(frame(), ["everybody:value"])


@pytest.mark.parametrize("column", ["event_timestamp", "user_id"])
def test_values_that_cannot_be_read_are_named_in_one_line(stores: dict[str, Any], column: str) -> None:
    rows = frame().assign(**{column: "yesterday"})
    with pytest.raises(CineFeastError, match="yesterday") as raised:
        stores["ours"].get_historical_features(rows, ["plain:value"]).to_arrow()
    assert "\n" not in str(raised.value)


def test_what_the_registry_does_not_know_is_named(stores: dict[str, Any]) -> None:
    from feast.errors import FeatureServiceNotFoundException, FeatureViewNotFoundException

    with pytest.raises(FeatureViewNotFoundException, match="nowhere"):
        stores["ours"].get_historical_features(frame(), ["nowhere:value"])
    with pytest.raises(KeyError, match="Feature nothing not found in projection plain"):
        stores["ours"].get_historical_features(frame(), ["plain:nothing"])
    with pytest.raises(FeatureServiceNotFoundException, match="nowhere"):
        stores["ours"].get_feature_service("nowhere")


def test_a_warehouse_older_than_the_registry_says_what_to_build(stores: dict[str, Any], tmp_path: Path) -> None:
    from feature_repo.offline_store.point_in_time import PointInTime, ViewQuery
    from feature_repo.offline_store.source import WarehouseSource

    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema features; create table features.t (user_id bigint, event_timestamp timestamp)"
        )
    for table, said in (("features.t", "features.t has no column value"), ("features.x", "no table features.x")):
        view = ViewQuery(
            "plain", WarehouseSource(name="t", table=table), {"user_id": "user_id"}, {"value": "value"}, None
        )
        with pytest.raises(CineFeastError, match=said), open_warehouse(str(path)) as connection:
            PointInTime(connection, {}, [view])


def test_a_registry_newer_than_the_code_is_told(stores: dict[str, Any]) -> None:
    from feature_repo.offline_store.source import WarehouseSource

    proto = stores["ours"].get_feature_view("plain").batch_source.to_proto()
    proto.custom_options.configuration = b'{"table": "features.t", "shard": 3}'
    with pytest.raises(CineFeastError, match=r"source t is not one this code knows.*shard"):
        WarehouseSource.from_proto(proto)


def test_no_warehouse_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CineFeastError, match="next: cd dbt_project && dbt build"), open_warehouse(str(tmp_path / "x")):
        pass
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"not a database")
    with pytest.raises(CineFeastError, match="cannot be read"), open_warehouse(str(broken)):
        pass


def test_a_warehouse_that_dbt_is_writing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "build.duckdb"
    hold = f"import duckdb; c = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
    writer = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        with pytest.raises(CineFeastError, match="is being written by another process"), open_warehouse(str(path)):
            pass
    finally:
        writer.communicate("\n")


def test_a_view_over_another_kind_of_source_is_refused(stores: dict[str, Any]) -> None:
    stock = stores["stock"].get_feature_view("plain")
    store = stores["ours"]._get_provider().offline_store
    with pytest.raises(CineFeastError, match="feature view plain reads a FileSource"):
        store.get_historical_features(stores["ours"].config, [stock], ["plain:value"], pa.table({}), None, "p")
