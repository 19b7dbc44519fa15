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
import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import RATINGS, SCHEMAS
from feature_repo.offline_store.sql import quoted
from serving.doctor.groups import LABELS, Group
from serving.doctor.warehouse import BUILD, Warehouse, opened
from serving.statistics.thresholds import SAMPLE, SEED

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


def sampled_keys(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], where: str) -> str:
    """The query for at most SAMPLE values of the first key among the labels, each with the others it had last."""
    first, *others = map(quoted, keys)
    last = "".join(f", arg_max({key}, row(event_timestamp, rating_id)) as {key}" for key in others)
    distinct = connection.sql(f"select approx_count_distinct({first}) from {LABELS} where {where}").fetchone()
    one_in = max(1, distinct[0] // (2 * SAMPLE)) if distinct else 1  # so that few keys are grouped and sorted
    return (
        f"(select {first}{last} from {LABELS} where {where} and hash({first}, {SEED}) % {one_in} = 0 "
        f"group by {first} order by hash({first}, {SEED}), {first} limit {SAMPLE})"
    )


def entity_query(warehouse: Warehouse, keys: Sequence[str], ahead: pa.Table) -> str:
    """The query for the keys: those of the training window at its end and, `is_online`, those of any rating now.

    It is given to the offline store as it is, which then knows how many rows will come.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    knows_more = [
        f"{quoted(key)} not in ({', '.join(str(one) for one in ahead[key].unique().to_pylist())})"
        for key in keys
        if ahead.num_rows and key in SCHEMAS[RATINGS].names
    ]
    with opened(warehouse.path) as connection:
        ended = connection.sql(
            f"select coalesce(min(event_timestamp) filter (not {TRAINING}), "
            f"max(event_timestamp) + interval 1 microsecond) from {LABELS} having count(*) filter ({TRAINING}) > 0"
        ).fetchone()
        if ended is None:
            raise CineFeastError(
                f"{LABELS} has no training labels to compare with: no rating is earlier than others",
                "cinefeast fetch a data set with the moments of its ratings",
            )
        training = sampled_keys(connection, keys, TRAINING)
        online = sampled_keys(connection, keys, " and ".join(["true", *knows_more]))
    return (
        f"select *, false as is_online, timestamp '{ended[0]}' as event_timestamp from {training} "
        f"union all select *, true, timestamp '{now}' from {online}"
    )


def read_sample(store: "FeatureStore", warehouse: Warehouse, group: Group, ahead: pa.Table) -> Sample:
    """Read a group's features, all through Feast. Raises CineFeastError where there are no keys to ask for."""
    frame = entity_query(warehouse, group.keys, ahead)
    history = store.get_historical_features(entity_df=frame, features=list(group.fields)).to_arrow()
    training, now = history.filter(pc.invert(history["is_online"])), history.filter(history["is_online"])
    if not now.num_rows:
        raise CineFeastError("every user and film has events that wait for a build", BUILD)
    return Sample(values(training, group), values(now, group), read_online(store, group, now))


def values(table: "pa.Table | dict[str, pa.Array]", group: Group) -> dict[str, pa.Array]:
    """A group's features out of a table that has them by name."""
    return {reference: aligned(table[reference.split(":", 1)[1]], kind) for reference, kind in group.fields.items()}


def read_online(store: "FeatureStore", group: Group, keys: pa.Table) -> dict[str, pa.Array]:
    """The features that serving would read now, a bounded number of keys a call."""
    parts = []
    for start in range(0, keys.num_rows, KEYS_PER_READ):
        some = keys.slice(start, KEYS_PER_READ)
        answer = store.get_online_features(list(group.fields), {key: some[key].to_pylist() for key in group.keys})
        parts.append(values({name: pa.array(column) for name, column in answer.to_dict().items()}, group))
    return {reference: pa.concat_arrays([part[reference] for part in parts]) for reference in group.fields}


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
