"""Columns that are written at once are, byte for byte, what Feast itself stores."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast import Field
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import Array, Bool, FeastType, Float32, Float64, Int32, Int64, String
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_project.events.schemas import LANDED_AT
from dbt_project.events.tombstones import ERASED, LINES
from dbt_project.workspace import workspace
from feature_repo.bench.online import stored
from feature_repo.bench.redis_server import flush
from feature_repo.online_store.compare_and_set import TOGETHER
from feature_repo.online_store.encoding import encoded, stamps, varints
from tests.conftest import TRAINED, Built, copy_of
from tests.features.test_online_writes import START, Online
from tests.serving.servers import RedisServer

WHOLE, REAL = st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, width=32)
SOME = {
    Int64: (pa.int64(), WHOLE),
    Float32: (pa.float32(), REAL),
    Float64: (pa.float64(), st.floats(allow_nan=False)),
    String: (pa.string(), st.text()),
}
COLUMNS = [
    *((dtype, arrow, values) for dtype, (arrow, values) in SOME.items()),
    *((Array(dtype), pa.list_(arrow), st.lists(values, max_size=40)) for dtype, (arrow, values) in SOME.items()),
    (Bool, pa.bool_(), st.booleans()),
    (Int32, pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (Float32, pa.int64(), st.integers(-9, 9)),
]


def by_feast(values: list[Any], dtype: FeastType) -> list[bytes]:
    return [value.SerializeToString() for value in python_values_to_proto_values(values, dtype.to_value_type())]


@pytest.mark.parametrize(("dtype", "arrow", "values"), COLUMNS, ids=[f"{dtype} {arrow}" for dtype, arrow, _ in COLUMNS])
@settings(deadline=None)
@given(data=st.data())
def test_values_are_feasts_own(dtype: FeastType, arrow: pa.DataType, values: Any, data: st.DataObject) -> None:
    """Feast takes them one by one here, as its own columns of numbers with holes go through floats."""
    drawn = data.draw(st.lists(st.one_of(st.none(), values), min_size=1, max_size=20))
    expected = [by_feast([value], dtype)[0] if value is not None else b"" for value in drawn]
    column = pa.array(drawn, arrow)
    assert encoded(column, Field(name="x", dtype=dtype)) == expected
    assert encoded(pa.concat_arrays([column, column])[len(drawn) :], Field(name="x", dtype=dtype)) == expected


def test_what_is_no_number_is_no_value() -> None:
    """As in Feast; in a list it is kept, as in Feast."""
    nan = float("nan")
    assert encoded(pa.array([nan, 1.5], pa.float32()), Field(name="x", dtype=Float32)) == by_feast([nan, 1.5], Float32)
    (stored,) = encoded(pa.array([[nan]], pa.list_(pa.float32())), Field(name="x", dtype=Array(Float32)))
    assert np.isnan(Value.FromString(stored).float_list_val.val[0])


def test_whole_numbers_beyond_2_to_the_53_with_holes() -> None:
    """Which Feast's own way makes floats of."""
    (stored, none) = encoded(pa.array([2**53 + 1, None]), Field(name="x", dtype=Int64))
    assert Value.FromString(stored).int64_val == 2**53 + 1
    assert none == b""


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1)))
def test_varints_are_protobufs(numbers: list[int]) -> None:
    data, starts = varints(np.array(numbers, np.int64))
    expected = [Value(int64_val=number).SerializeToString()[1:] for number in numbers]
    assert [data[starts[n] : starts[n + 1]] for n in range(len(numbers))] == expected


@settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), max_size=20))
def test_stamps_are_protobufs(moments: list[datetime]) -> None:
    expected = []
    for moment in moments:
        stamp = Timestamp()
        stamp.FromDatetime(moment)
        expected.append(stamp.SerializeToString())
    assert stamps(pa.array(moments, pa.timestamp("us"))) == expected


Content = dict[bytes, dict[bytes, bytes]]


def materialized(store: Any, engine: type, address: str) -> Content:
    """All that Redis holds after an engine has moved every view."""
    flush(address)
    provider = store._get_provider()
    provider._batch_engine = engine(
        repo_config=store.config, offline_store=provider.offline_store, online_store=provider.online_store
    )
    views = [view.name for view in store.list_feature_views() if view.online]
    store.materialize(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), feature_views=views)
    return stored(address)


def test_every_view_is_as_feasts_own_engine_writes_it(
    built_workspace: Built, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.online_store.engine import ColumnEngine
    from feature_repo.store import load_store

    workspace = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", redis_server.address)
    left_to_feast: list[str] = []

    class Seen(LocalComputeEngine):
        def _materialize_one(self, registry: Any, task: Any, **options: Any) -> Any:
            left_to_feast.append(task.feature_view.name)
            return super()._materialize_one(registry, task, **options)

    class Columns(ColumnEngine, Seen):
        pass

    ours = materialized(load_store(), Columns, redis_server.address)
    assert left_to_feast == []
    feasts = materialized(load_store(), Seen, redis_server.address)
    assert left_to_feast
    redis_server.flush()
    assert len(ours) > 100
    assert ours == feasts


class Rated(Online):
    """The view of `Online`, written as columns."""

    def put(self, values: dict[int, int], at: datetime) -> None:
        columns = {"user_id": list(values), **{name: list(values.values()) for name in self.names}}
        stamps = pa.array([at] * len(values), pa.timestamp("us", "UTC"))
        batch = pa.RecordBatch.from_pydict({**columns, "event_timestamp": stamps})
        self.store.write_columns(self.config, self.view, batch)


def test_columns_go_forward_alone(redis_server: RedisServer) -> None:
    """More keys than one command takes, some of them newer."""
    redis_server.flush()
    online, keys, later = Rated(redis_server.address), range(3 * TOGETHER + 1), START + timedelta(microseconds=1)
    online.put(dict.fromkeys(keys, 1), START)
    online.write(dict.fromkeys(keys[::2], 2), later)
    online.put(dict.fromkeys(keys, 3), START)
    assert [online.read(key) for key in keys] == [[2 if key % 2 == 0 else 3] * 2 for key in keys]
    online.put(dict.fromkeys(keys, 4), later)
    assert [online.stored(key) for key in keys] == [(later, [4, 4])] * len(keys)
    redis_server.flush()


def test_columns_of_erased_users_are_left_out(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    redis_server.flush()
    tombstones = workspace().events / ERASED / LINES
    tombstones.parent.mkdir(parents=True)
    tombstones.write_text(json.dumps({"user_id": 7, LANDED_AT: START.isoformat()}) + "\n")
    online = Rated(redis_server.address)
    online.put(dict.fromkeys(range(10), 1), START)
    assert [online.read(key) for key in range(10)] == [[None if key == 7 else 1] * 2 for key in range(10)]
    redis_server.flush()
