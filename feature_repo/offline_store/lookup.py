"""One table's part in the point-in-time join: finding the row that counts, and fetching what is long."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.entity_frame import OWN, Types
from feature_repo.offline_store.source import WarehouseSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table
from feature_repo.offline_store.warehouse import BUILD

MOMENT = f"{OWN}moment"
LONG = ("varchar", "blob", "list", "array", "struct", "map", "union")
SMALL = 1_000_000
"""Tables up to this many rows are asked whether they have one row a key, which takes milliseconds."""


@dataclass
class Lookup:
    """What all views together read of one table by the same keys: its row is found once."""

    number: int
    source: WarehouseSource
    keys: dict[str, str]
    ttl: timedelta | None
    types: Types
    is_static: bool
    """one row a key: no ASOF join is needed"""
    carried: list[str] = field(default_factory=list)
    """columns that come along through the ASOF join"""
    is_fetched: bool = False
    """other columns are fetched afterwards by row id"""

    def column(self, name: str) -> str:
        """The SQL of one of the table's columns in `fetch`."""
        if self.is_static:
            return f"t{self.number}.{quoted(name)}"
        if self.types[name].id in LONG:
            self.is_fetched = True
            return f"t{self.number}.{quoted(name)}"
        if name not in self.carried:
            self.carried.append(name)
        return f"h.{OWN}{self.number}_{self.carried.index(name)}"

    def alive(self, stamp: str, moment: str) -> str:
        """The SQL of whether a row is still valid at a moment."""
        return f"{stamp} + to_microseconds({(self.ttl or timedelta()) // timedelta(microseconds=1)}) >= {moment}"

    def hits(self) -> tuple[list[str], str]:
        """The select list and the ASOF join of this table."""
        table, stamp = f"g{self.number}", quoted(self.source.timestamp_field)
        found = [f"c{place}" for place in range(len(self.carried))]
        names = [f"{OWN}{self.number}_{place}" for place in range(len(self.carried))]
        inner = [f"{quoted(key)} as k{place}" for place, key in enumerate(self.keys)]
        inner += [f"{stamp}::timestamp as stamp"]
        inner += [f"{quoted(name)} as {alias}" for name, alias in zip(self.carried, found, strict=True)]
        if self.is_fetched:
            inner, found, names = [*inner, "rowid as hit"], [*found, "hit"], [*names, f"{OWN}{self.number}_hit"]
        last_created = ""
        if self.source.created_timestamp_column:
            last_created = (
                f" qualify row_number() over (partition by {columns([*self.keys, self.source.timestamp_field])} "
                f"order by {quoted(self.source.created_timestamp_column)} desc nulls last) = 1"
            )
        same = " and ".join(f"e.{quoted(entity)} = {table}.k{place}" for place, entity in enumerate(self.keys.values()))
        # DuckDB's ASOF join gives a row without a moment the key's last row
        valid = self.alive(f"{table}.stamp", f"e.{MOMENT}") if self.ttl else f"e.{MOMENT} is not null"
        return (
            [
                f"case when {valid} then {table}.{column} end as {name}"
                for column, name in zip(found, names, strict=True)
            ],
            f" asof left join (select {', '.join(inner)} from {quoted_table(self.source.table)}{last_created}) "
            f"as {table} on {same} and e.{MOMENT} >= {table}.stamp",
        )

    def fetch(self, piece: pa.Table | None) -> str:
        """The join that brings the table's own columns to `fetch`, where any are wanted."""
        table = f" left join {quoted_table(self.source.table)} as t{self.number} on "
        if not self.is_static:
            rowid, hit = f"t{self.number}.rowid", f"{OWN}{self.number}_hit"
            return f"{table}{rowid} = h.{hit}{near_by(rowid, piece, hit)}" if self.is_fetched else ""
        stamp = f"t{self.number}.{quoted(self.source.timestamp_field)}::timestamp"
        known = [f"t{self.number}.{quoted(key)} = h.{quoted(entity)}" for key, entity in self.keys.items()]
        known += [f"{stamp} <= h.{MOMENT}"]
        return table + " and ".join(known + ([self.alive(stamp, f"h.{MOMENT}")] if self.ttl else []))


def near_by(column: str, piece: pa.Table | None, name: str) -> str:
    """A condition that keeps a join to the rows between the least and the largest value that a piece of hits asks for.

    It changes no result: DuckDB then skips the rest of a table that is sorted like the frame.
    """
    if piece is None or not pa.types.is_integer(piece.schema.field(name).type):
        return ""
    ends = pc.min_max(piece[name]).as_py()
    return f" and {column} between {ends['min']} and {ends['max']}" if ends["min"] is not None else " and false"


def table_types(connection: duckdb.DuckDBPyConnection, table: str) -> Types:
    """Column names and types of a table; CineFeastError where there is none."""
    try:
        empty = connection.sql(f"select * from {quoted_table(table)} limit 0")
    except duckdb.CatalogException as error:
        raise CineFeastError(f"the warehouse has no table {table}", BUILD) from error
    return dict(zip(empty.columns, empty.types, strict=True))


def has_one_row_a_key(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> bool:
    """Whether a small table has one row a key; False for a large one."""
    name = quoted_table(table)
    count = connection.sql(f"select count(*) from {name}").fetchone()
    if count is None or count[0] > SMALL:
        return False
    repeated = connection.sql(f"select 1 from {name} group by {columns(keys)} having count(*) > 1 limit 1")
    return repeated.fetchone() is None
