"""The entity frame: the rows to find features for, given as pandas, Arrow, or SQL over the warehouse."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.sqltypes import DuckDBPyType

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.sql import quoted
from feature_repo.offline_store.warehouse import first_line

EntityRows: TypeAlias = pd.DataFrame | pa.Table | pa.RecordBatchReader | str
Types: TypeAlias = dict[str, DuckDBPyType]

OWN = "__pit_"
"""What the names of the store's own columns begin with."""
TIMESTAMP = "event_timestamp"
EPOCH = datetime(1970, 1, 1)


class EntityFrame:
    """Rows with join keys and the moment at which each is asked for.

    The moment is the column `event_timestamp`, or the only timestamp there is. Timestamps and text without an offset
    are UTC. Arrow is scanned where it lies; a reader is read once, when the frame is made.
    """

    def __init__(self, rows: EntityRows) -> None:
        self._sql = rows.strip().rstrip(";") if isinstance(rows, str) else None
        self._table = None if isinstance(rows, str) else _as_arrow(rows)

    @property
    def rows(self) -> int | None:
        """How many rows the frame has; None for a query, which is not run to know."""
        return None if self._table is None else int(self._table.num_rows)

    def relation(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The frame as something to select from."""
        if self._sql is not None:
            return f"({self._sql}\n)"  # the query may end in a comment
        connection.register(f"{OWN}frame", self._table)
        return f"{OWN}frame"

    def types(self, connection: duckdb.DuckDBPyConnection) -> Types:
        """Column names and types, found without running the frame's query."""
        try:
            empty = connection.sql(f"select * from {self.relation(connection)} limit 0")
        except duckdb.Error as error:
            raise CineFeastError(f"the entity query fails: {first_line(error)}", "correct the query") from error
        return dict(zip(empty.columns, empty.types, strict=True))

    def bounds(self, connection: duckdb.DuckDBPyConnection) -> tuple[datetime, datetime]:
        """The first and last moment, naive UTC; 1970 for a frame without any."""
        event_time = event_time_of(self.types(connection))
        found = connection.sql(
            f"select min({event_time}), max({event_time}) from {self.relation(connection)}"
        ).fetchone()
        assert found is not None
        return found[0] or EPOCH, found[1] or EPOCH


def timestamp_column(types: Types) -> str:
    """The name of the column that holds the moment; CineFeastError where it cannot be told or is no moment."""
    stamps = [name for name, kind in types.items() if kind.id.startswith("timestamp")]
    if TIMESTAMP not in types and len(stamps) != 1:
        raise CineFeastError(
            f"entity frame has no column {TIMESTAMP}: {', '.join(types)}", f"add {TIMESTAMP}, the moment of each row"
        )
    name = TIMESTAMP if TIMESTAMP in types else stamps[0]
    if types[name].id not in ("varchar", "date") and not types[name].id.startswith("timestamp"):
        raise CineFeastError(
            f"entity frame's {name} is {types[name]}, not a moment", f"convert {name}, as pd.to_datetime does"
        )
    return name


def event_time_of(types: Types) -> str:
    """The SQL of a row's moment in naive UTC microseconds, never later than what the frame says."""
    name = timestamp_column(types)
    column = quoted(name)
    if types[name].id in ("varchar", "timestamp with time zone"):
        return f"({column}::timestamptz at time zone 'UTC')"
    if types[name].id == "timestamp_ns":  # DuckDB's own cast rounds towards 1970: up, before it
        return f"make_timestamp((epoch_ns({column}) - (epoch_ns({column}) % 1000 + 1000) % 1000) // 1000)"
    return f"{column}::timestamp"


def check_names(frame: Iterable[str], features: Iterable[str]) -> None:
    """CineFeastError where two columns of the result would have one name: DuckDB does not tell cases apart."""
    named: dict[str, str] = {}
    for feature in features:
        other = named.setdefault(feature.lower(), feature)
        if other != feature:
            raise CineFeastError(
                f"features {other} and {feature} differ only in case", "ask for full_feature_names=True"
            )
    clash = sorted(named[column.lower()] for column in frame if column.lower() in named)
    if clash:
        raise CineFeastError(
            f"entity frame has a column named like a feature: {', '.join(clash)}",
            "rename the column, or ask for full_feature_names=True",
        )
    own = sorted(column for column in frame if column.lower().startswith(OWN))
    if own:
        raise CineFeastError(f"entity frame has a column named {own[0]}", f"rename it: {OWN} is the store's own prefix")


def _as_arrow(rows: pd.DataFrame | pa.Table | pa.RecordBatchReader) -> pa.Table:
    if isinstance(rows, pd.DataFrame):
        try:
            rows = pa.Table.from_pandas(rows, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
            raise CineFeastError(f"entity frame cannot be read: {error}", "give each column one type") from error
    if isinstance(rows, pa.RecordBatchReader):
        rows = rows.read_all()
    if not isinstance(rows, pa.Table):
        raise CineFeastError(
            f"an entity frame of {type(rows).__name__}", "give a pandas frame, an Arrow table or reader, or SQL"
        )
    if len({name.lower() for name in rows.column_names}) < rows.num_columns:
        raise CineFeastError(
            f"entity frame has columns that differ at most in case: {', '.join(rows.column_names)}", "rename one"
        )
    place = rows.schema.get_field_index(TIMESTAMP)
    if place >= 0 and pa.types.is_null(rows.schema.field(place).type):  # an empty pandas column has no type
        rows = rows.set_column(place, TIMESTAMP, rows.column(place).cast(pa.timestamp("us")))
    return microseconds(rows)


def microseconds(table: pa.Table) -> pa.Table:
    """The table with nanoseconds cut off, towards the past: a moment is never moved beyond what it saw."""
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            cut = pc.floor_temporal(table.column(number), unit="microsecond")
            table = table.set_column(number, field.name, cut.cast(pa.timestamp("us", field.type.tz)))
    return table
