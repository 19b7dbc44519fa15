"""What features were at the end of the training window, are in the warehouse now, and are online, for the same keys.

Like is compared with like. Training rows are weighted by events, and each is one event short of the state it leads to;
what is served is weighted by user and film, after their last event. So both sides are taken a row a key: those who
have ratings in the training window, as of its end, against those who have any, now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.sql import quoted
from serving.doctor.groups import LABELS, Group
from serving.doctor.landed import Landed
from serving.doctor.thresholds import SAMPLE, SEED
from serving.doctor.warehouse import BUILD, Warehouse, opened, waiting_events

if TYPE_CHECKING:
    from feast import FeatureStore

TRAINING = "split_time = 'train'"
KEYS_PER_READ = 1000


@dataclass(frozen=True)
class Sample:
    """A group's features by reference: at the end of the training window; in the warehouse now; online, same keys."""

    training: dict[str, pa.Array]
    stored: dict[str, pa.Array]
    online: dict[str, pa.Array]


def ahead(landed: Landed | None, warehouse: Warehouse) -> pa.Table | None:
    """The events that the build has not read: of their users and films the online store may know more than it."""
    waiting = waiting_events(landed, warehouse) if landed else 0
    files = []
    for path, rows in reversed(list(landed.events.items()) if landed else []):
        if waiting <= 0:
            break
        files.append(path)
        waiting -= rows
    return pa.concat_tables([pq.read_table(path) for path in files], promote_options="permissive") if files else None


def sample_keys(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], where: str) -> pd.DataFrame:
    """At most SAMPLE values of the first key among the labels, chosen by hash, each with the others it had last."""
    first, *others = map(quoted, keys)
    last = "".join(f", arg_max({key}, row(event_timestamp, rating_id)) as {key}" for key in others)
    distinct = connection.sql(f"select approx_count_distinct({first}) from {LABELS} where {where}").fetchone()
    one_in = max(1, distinct[0] // (2 * SAMPLE)) if distinct else 1  # so that few keys are grouped and sorted
    return connection.sql(
        f"select {first}{last} from {LABELS} where {where} and hash({first}, {SEED}) % {one_in} = 0 "
        f"group by {first} order by hash({first}, {SEED}), {first} limit {SAMPLE}"
    ).df()


def frames(warehouse: Warehouse, keys: Sequence[str], excluded: pa.Table | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keys with a moment: those of the training window at its end, and those of any rating now."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with opened(warehouse.path) as connection:
        ended = connection.sql(
            f"select coalesce(min(event_timestamp) filter (not {TRAINING}), "
            f"max(event_timestamp) + interval 1 microsecond) from {LABELS}"
        ).fetchone()
        where = ["true"]
        for key in keys if excluded is not None else ():
            if key in excluded.column_names:  # type: ignore[union-attr]
                connection.register(f"ahead_{key}", excluded.select([key]))  # type: ignore[union-attr]
                where.append(f"{quoted(key)} not in (from {quoted(f'ahead_{key}')})")
        training = sample_keys(connection, keys, TRAINING)
        online = sample_keys(connection, keys, " and ".join(where))
    return training.assign(event_timestamp=ended[0] if ended else now), online.assign(event_timestamp=now)


def read_sample(store: "FeatureStore", warehouse: Warehouse, group: Group, excluded: pa.Table | None) -> Sample:
    """Read a group's features, all through Feast. Raises CineFeastError where there are no keys to ask for."""
    from models.dataset import Dataset

    training, online = frames(warehouse, group.keys, excluded)
    if training.empty or online.empty:
        raise CineFeastError(f"{LABELS} has no training labels to compare with", BUILD)
    history = Dataset(store).features(list(group.fields), pd.concat([training, online], ignore_index=True))
    by_name = {reference: history[reference.split(":", 1)[1]] for reference in group.fields}
    values = {name: aligned(column, group.fields[name]) for name, column in by_name.items()}
    rows = len(training)
    return Sample(
        {name: column[:rows] for name, column in values.items()},
        {name: column[rows:] for name, column in values.items()},
        read_online(store, group, online),
    )


def read_online(store: "FeatureStore", group: Group, frame: pd.DataFrame) -> dict[str, pa.Array]:
    """The features that serving would read now, a bounded number of keys a call."""
    parts: dict[str, list[pa.Array]] = {reference: [] for reference in group.fields}
    for start in range(0, len(frame), KEYS_PER_READ):
        some = frame.iloc[start : start + KEYS_PER_READ]
        answer = store.get_online_features(
            list(group.fields), {key: some[key].tolist() for key in group.keys}
        ).to_dict()
        for reference, kind in group.fields.items():
            parts[reference].append(aligned(pa.array(answer[reference.split(":", 1)[1]]), kind))
    return {reference: pa.concat_arrays(arrays) for reference, arrays in parts.items()}


def aligned(column: Any, kind: pa.DataType) -> pa.Array:
    """A column as the registry types it, whatever a store hands out for a null: NaN and an empty list are null."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):  # a table without rows has no chunk
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    values = values.cast(kind)
    if pa.types.is_list(values.type):
        values = pc.if_else(pc.equal(pc.list_value_length(values), 0), None, values)
    return values
