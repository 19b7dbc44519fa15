"""One table's part in the point-in-time join: finding the row that counts, and fetching what is long."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import duckdb

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.entity_frame import OWN, Types
from feature_repo.offline_store.known import ID, KNOWN, fetched_rows, known_rows
from feature_repo.offline_store.source import WarehouseSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table
from feature_repo.offline_store.warehouse import BUILD

EVENT_TIME = f"{OWN}event_time"
LONG = ("varchar", "blob", "list", "array", "struct", "map", "union")
SMALL = 1_000_000
"""Tables up to this many rows are asked whether they have one row a key, which takes milliseconds."""
PRUNED = 10
"""A table of so many rows for each of the frame's is pruned before the ASOF join: two scans instead of a sort."""


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
    is_pruned: bool
    """the frame is small beside the table: only rows that it can hit are sorted for the ASOF join"""
    is_known_time: bool = False
    """of each key the row counts that was known last, by the rows' created timestamps"""
    carried: list[str] = field(default_factory=list)
    """columns that come along through the ASOF join"""
    fetched: list[str] = field(default_factory=list)
    """long columns, which are fetched afterwards: by row id, or by key where it is static"""

    def column(self, name: str) -> str:
        """The SQL of one of the table's columns in `fetch`."""
        if self.types[name].id in LONG and name not in self.fetched:
            self.fetched.append(name)
        if self.is_static or self.types[name].id in LONG:
            return f"t{self.number}.{quoted(name)}"
        if name not in self.carried:
            self.carried.append(name)
        return f"h.{OWN}{self.number}_{self.carried.index(name)}"

    def within_ttl(self, stamp: str, event_time: str) -> str:
        """The SQL of whether a row is still valid at a moment."""
        return f"{stamp} + to_microseconds({(self.ttl or timedelta()) // timedelta(microseconds=1)}) >= {event_time}"

    def hits(self, frame: str) -> tuple[list[str], str]:
        """The select list and the ASOF join of this table with `frame`, whose rows have their EVENT_TIME."""
        table, stamp = f"g{self.number}", quoted(self.source.timestamp_field)
        found = [f"c{place}" for place in range(len(self.carried))]
        names = [f"{OWN}{self.number}_{place}" for place in range(len(self.carried))]
        inner = [f"{quoted(key)} as k{place}" for place, key in enumerate(self.keys)]
        inner += [
            f"{KNOWN} as stamp, {stamp}::timestamp as happened"
            if self.is_known_time
            else f"{stamp}::timestamp as stamp"
        ]
        inner += [f"{quoted(name)} as {alias}" for name, alias in zip(self.carried, found, strict=True)]
        if self.fetched:
            hit = ID if self.is_known_time else "rowid"
            inner, found, names = [*inner, f"{hit} as hit"], [*found, "hit"], [*names, f"{OWN}{self.number}_hit"]
        last_created = ""
        if self.source.created_timestamp_column and not self.is_known_time:
            last_created = (
                f" qualify row_number() over (partition by {columns([*self.keys, self.source.timestamp_field])} "
                f"order by {quoted(self.source.created_timestamp_column)} desc nulls last) = 1"
            )
        same = " and ".join(f"e.{quoted(entity)} = {table}.k{place}" for place, entity in enumerate(self.keys.values()))
        # DuckDB's ASOF join gives a row without a moment the key's last row
        happened = f"{table}.happened" if self.is_known_time else f"{table}.stamp"
        valid = self.within_ttl(happened, f"e.{EVENT_TIME}") if self.ttl else f"e.{EVENT_TIME} is not null"
        return (
            [
                f"case when {valid} then {table}.{column} end as {name}"
                for column, name in zip(found, names, strict=True)
            ],
            f" asof left join (select {', '.join(inner)} from {self.near(frame)}{last_created}) "
            f"as {table} on {same} and e.{EVENT_TIME} >= {table}.stamp",
        )

    def near(self, frame: str) -> str:
        """The table, or where it is pruned those of its rows that `frame` can hit, with their row ids.

        These are, of the frame's keys, the last row up to the frame's first moment and all from there to its last one.
        """
        table = quoted_table(self.source.table)
        if self.is_known_time:
            same = " and ".join(f"t.{quoted(key)} = e.{quoted(entity)}" for key, entity in self.keys.items())
            asked = f" and exists (from {frame} as e where {same})" if self.is_pruned else ""
            return known_rows(self.source, self.keys, asked)
        if not self.is_pruned:
            return table
        stamp = f"t.{quoted(self.source.timestamp_field)}::timestamp"
        first, last = (f"(select {end}({EVENT_TIME}) from {frame})" for end in ("min", "max"))
        same = " and ".join(f"t.{quoted(key)} = e.{quoted(entity)}" for key, entity in self.keys.items())
        since = (
            f"select {columns(self.keys, 't')}, max({stamp}) filter ({stamp} <= {first}) as {OWN}since "
            f"from {table} as t semi join {frame} as e on {same} where {stamp} <= {last} group by all"
        )
        return (
            f"(select t.*, t.rowid from {table} as t join ({since}) as s using ({columns(self.keys)}) "
            f"where {stamp} >= coalesce(s.{OWN}since, timestamp '-infinity') and {stamp} <= {last})"
        )

    @property
    def _hit(self) -> dict[str, str]:
        return {"rowid": f"{OWN}{self.number}_hit"}

    @property
    def kept(self) -> str:
        """The temporary table of `keep`."""
        return f"{OWN}kept_{self.number}"

    def keep(self, hits: str) -> str:
        """The statement that keeps the long columns of all rows hit, so that a large table is read once for all pieces.

        Nothing where there are none, or too many.
        """
        if self.is_static or not (self.is_pruned and self.fetched):
            return ""
        rows = self._fetched_rows(hits)
        return f'create temp table {self.kept} as select {columns(self.fetched)}, rowid as "rowid" from {rows}'

    def _fetched_rows(self, piece: str | None) -> str:
        rows = among(self.source.table, self._hit, piece)
        return fetched_rows(self.source, self.fetched, rows) if self.is_known_time and self.source.versions else rows

    def fetch(self, piece: str | None) -> str:
        """The join that brings the table's own columns to the hits `h`, which the relation `piece` holds if named."""
        table = f"t{self.number}"
        if not self.is_static:
            if not self.fetched:
                return ""
            wanted = self.kept if piece and self.is_pruned else self._fetched_rows(piece)
            return f" left join {wanted} as {table} on {table}.rowid = h.{self._hit['rowid']}"
        stamp = f"{table}.{quoted(self.source.timestamp_field)}::timestamp"
        known = [f"{table}.{quoted(key)} = h.{quoted(entity)}" for key, entity in self.keys.items()]
        known += [f"{stamp} <= h.{EVENT_TIME}"]
        known += [self.within_ttl(stamp, f"h.{EVENT_TIME}")] if self.ttl else []
        return f" left join {among(self.source.table, self.keys, piece)} as {table} on {' and '.join(known)}"


def among(table: str, keys: dict[str, str], piece: str | None) -> str:
    """The table's rows, with their row ids, that a relation of hits asks for by `keys`; the table where there is none.

    It changes no result of a join: DuckDB then reads of long columns little more than what is wanted.
    """
    if piece is None:
        return quoted_table(table)
    same = " and ".join(f"t.{quoted(key)} = h.{quoted(hit)}" for key, hit in keys.items())
    return f"(select t.*, t.rowid from {quoted_table(table)} as t semi join {piece} as h on {same})"


def table_types(connection: duckdb.DuckDBPyConnection, table: str) -> Types:
    """Column names and types of a table; CineFeastError where there is none."""
    try:
        empty = connection.sql(f"select * from {quoted_table(table)} limit 0")
    except duckdb.CatalogException as error:
        raise CineFeastError(f"the warehouse has no table {table}", BUILD) from error
    return dict(zip(empty.columns, empty.types, strict=True))


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """How many rows a table has."""
    found = connection.sql(f"select count(*) from {quoted_table(table)}").fetchone()
    assert found is not None
    return int(found[0])


def arrived_late(connection: duckdb.DuckDBPyConnection, source: WarehouseSource) -> bool:
    """Whether a row was known later than it happened, or nobody knows when; else known time is event time."""
    if source.versions:
        return count_rows(connection, source.versions) > 0
    stamp, created = (f"{quoted(name)}::timestamp" for name in (source.timestamp_field, source.created))
    late = f"select 1 from {quoted_table(source.table)} where {created} is null or {created} > {stamp} limit 1"
    return connection.sql(late).fetchone() is not None


def has_one_row_a_key(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> bool:
    """Whether a table has one row a key."""
    repeated = connection.sql(
        f"select 1 from {quoted_table(table)} group by {columns(keys)} having count(*) > 1 limit 1"
    )
    return repeated.fetchone() is None
