"""The point-in-time join: for each entity row, the values that were known at its moment.

One ASOF join a view over (keys, moment) finds the row id that counts; only then is the payload of the rows that were
hit fetched. An ASOF join over the payload itself would sort every list of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import duckdb

from feature_repo.offline_store.source import WarehouseSource, WindowSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table

ROW = "__row"
MOMENT = "__moment"


@dataclass(frozen=True)
class ViewQuery:
    """What is asked of one feature view."""

    source: WarehouseSource
    keys: dict[str, str]
    """join key of the table -> column of the entity frame"""
    features: dict[str, str]
    """feature -> name in the result"""
    ttl: timedelta | None


def load_entities(connection: duckdb.DuckDBPyConnection, relation: str, timestamp: str) -> None:
    """Make the temporary table `entities`: the frame, its rows numbered, its moments as naive UTC microseconds."""
    kind = connection.sql(f"select typeof({quoted(timestamp)}) from ({relation}) limit 1").fetchone()
    moment = quoted(timestamp)
    if kind is not None and kind[0] in ("VARCHAR", "TIMESTAMP WITH TIME ZONE"):
        # text without an offset is UTC, as the connection's time zone says
        moment = f"({moment}::timestamptz at time zone 'UTC')"
    connection.execute(
        f"create temp table entities as "
        f"select *, row_number() over () as {ROW}, {moment}::timestamp as {MOMENT} from ({relation})"
    )


def find_hits(connection: duckdb.DuckDBPyConnection, number: int, view: ViewQuery) -> None:
    """Make the temporary table `hits_N`: entity keys and moment -> the row of the view's table that was known then."""
    source = view.source
    stamp = quoted(source.timestamp_field)
    table_keys, entity_keys = list(view.keys), list(view.keys.values())
    table = (
        f"(select {columns(table_keys)}, {stamp}::timestamp as stamp, rowid as hit from {quoted_table(source.table)})"
    )
    if source.created_timestamp_column:
        table = (
            f"{table[:-1]} "
            f"qualify row_number() over (partition by {columns([*table_keys, source.timestamp_field])} "
            f"order by {quoted(source.created_timestamp_column)} desc nulls last) = 1)"
        )
    same_key = " and ".join(f"e.{quoted(entity)} = t.{quoted(key)}" for key, entity in view.keys.items())
    alive = ""
    if view.ttl:
        alive = f"where t.stamp + to_microseconds({view.ttl // timedelta(microseconds=1)}) >= e.{MOMENT}"
    connection.execute(
        f"create temp table hits_{number} as "
        f"select {columns([*entity_keys, MOMENT], 'e')}, t.hit "
        f"from (select distinct {columns([*entity_keys, MOMENT])} from entities) as e "
        f"asof join {table} as t on {same_key} and e.{MOMENT} >= t.stamp {alive}"
    )


def payload(view: ViewQuery, table: str, history: str) -> list[str]:
    """The select list of a view's features, taken from its table or sliced out of its history."""
    return [
        f"{view.source.feature_sql(feature, table, history)} as {quoted(name)}" for feature, name in view.features.items()
    ]


def joined(number: int, view: ViewQuery) -> str:
    """The joins that bring a view's payload to the rows that were hit."""
    source = view.source
    keys = list(view.keys.values())
    on_entity = " and ".join(f"h{number}.{quoted(key)} = entities.{quoted(key)}" for key in [*keys, MOMENT])
    text = (
        f" left join hits_{number} as h{number} on {on_entity}"
        f" left join {quoted_table(source.table)} as t{number} on t{number}.rowid = h{number}.hit"
    )
    if isinstance(source, WindowSource):
        on_key = " and ".join(f"a{number}.{quoted(key)} = t{number}.{quoted(key)}" for key in view.keys)
        text += f" left join {quoted_table(source.history)} as a{number} on {on_key}"
    return text


def point_in_time_sql(
    connection: duckdb.DuckDBPyConnection, entity_columns: Sequence[str], views: Sequence[ViewQuery]
) -> str:
    """Find the hits of every view and return the query that gives the frame with all features, in the frame's order."""
    selected = [columns(entity_columns, "entities")]
    joins = ""
    for number, view in enumerate(views):
        find_hits(connection, number, view)
        selected += payload(view, f"t{number}", f"a{number}")
        joins += joined(number, view)
    return f"select {', '.join(selected)} from entities{joins} order by entities.{ROW}"
