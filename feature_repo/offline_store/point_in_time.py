"""The point-in-time join as SQL: for each entity row, the values that were known at its moment.

Two stages. `hits` finds the rows that count: one ASOF join a table, which carries the table's fixed-size columns along,
because an ASOF join sorts what it carries. `fetch` then looks up what is long (text, lists) by row id, slices windows
out of the histories, and joins tables of one row a key by hash, which costs a tenth of an ASOF join.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import duckdb

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.entity_frame import OWN, Types, moment_of
from feature_repo.offline_store.source import WarehouseSource, WindowSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table
from feature_repo.offline_store.warehouse import BUILD

ROW = f"{OWN}row"
MOMENT = f"{OWN}moment"
LONG = ("varchar", "blob", "list", "array", "struct", "map", "union")
SMALL = 1_000_000
"""Tables up to this many rows are asked whether they have one row a key, which takes milliseconds."""


@dataclass(frozen=True)
class ViewQuery:
    """What is asked of one feature view."""

    name: str
    source: WarehouseSource
    keys: dict[str, str]
    """join key of the table -> column of the entity frame"""
    features: dict[str, str]
    """feature -> name in the result"""
    ttl: timedelta | None


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
        alive = self.alive(f"{table}.stamp", f"e.{MOMENT}")
        return (
            [
                f"{f'case when {alive} then {table}.{column} end' if self.ttl else f'{table}.{column}'} as {name}"
                for column, name in zip(found, names, strict=True)
            ],
            f" asof left join (select {', '.join(inner)} from {quoted_table(self.source.table)}{last_created}) "
            f"as {table} on {same} and e.{MOMENT} >= {table}.stamp",
        )

    def fetch(self) -> str:
        """The join that brings the table's own columns to `fetch`, where any are wanted."""
        table = f" left join {quoted_table(self.source.table)} as t{self.number} on "
        if not self.is_static:
            return f"{table}t{self.number}.rowid = h.{OWN}{self.number}_hit" if self.is_fetched else ""
        stamp = f"t{self.number}.{quoted(self.source.timestamp_field)}::timestamp"
        known = [f"t{self.number}.{quoted(key)} = h.{quoted(entity)}" for key, entity in self.keys.items()]
        known += [f"{stamp} <= h.{MOMENT}"]
        return table + " and ".join(known + ([self.alive(stamp, f"h.{MOMENT}")] if self.ttl else []))


class PointInTime:
    """The queries that give a frame's rows with the features of some views."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, frame: Types, views: Sequence[ViewQuery]) -> None:
        self._connection = connection
        self._frame = frame
        self._lookups: dict[tuple, Lookup] = {}
        self._histories: dict[tuple, tuple[str, str]] = {}
        self._features = [
            f"{expression} as {quoted(name)}" for view in views for name, expression in self._expressions(view)
        ]

    @property
    def is_wide(self) -> bool:
        """Whether `fetch` brings more than one would sort."""
        return bool(self._histories) or any(lookup.is_fetched for lookup in self._lookups.values())

    def hits(self, relation: str, is_ordered: bool) -> str:
        """The query that finds each row's hits, by the frame's order if asked for."""
        row = f", row_number() over () as {ROW}" if is_ordered else ""
        selected = [columns(self._frame, "e"), f"e.{MOMENT}", *([f"e.{ROW}"] if is_ordered else [])]
        joins = ""
        for lookup in self._lookups.values():
            if not lookup.is_static:
                more, join = lookup.hits()
                selected += more
                joins += join
        frame = f"(select *, {moment_of(self._frame)} as {MOMENT}{row} from {relation}) as e"
        order = f" order by e.{ROW}" if is_ordered else ""
        return f"select {', '.join(selected)} from {frame}{joins}{order}"

    def fetch(self, hits: str, is_ordered: bool) -> str:
        """The query that gives the result from the relation `hits`."""
        joins = "".join(lookup.fetch() for lookup in self._lookups.values())
        joins += "".join(join for _, join in self._histories.values())
        order = f" order by h.{ROW}" if is_ordered else ""
        selected = ", ".join([columns(self._frame, "h"), *self._features])
        return f"select {selected} from {hits} as h{joins}{order}"

    def _expressions(self, view: ViewQuery) -> list[tuple[str, str]]:
        lookup, source = self._lookup(view), view.source
        if not isinstance(source, WindowSource):
            return [(name, source.feature_sql(feature, lookup.column)) for feature, name in view.features.items()]
        position, history = lookup.column(source.position), self._history(source.history, view.keys)
        return [(name, source.slice(feature, position, history)) for feature, name in view.features.items()]

    def _history(self, table: str, keys: dict[str, str]) -> str:
        """The alias of the joined table of histories."""
        number = len(self._histories)
        same = " and ".join(f"a{number}.{quoted(key)} = h.{quoted(entity)}" for key, entity in keys.items())
        join = f" left join {quoted_table(table)} as a{number} on {same}"
        return self._histories.setdefault((table, *keys.items()), (f"a{number}", join))[0]

    def _lookup(self, view: ViewQuery) -> Lookup:
        source = view.source
        stamps = (source.timestamp_field, source.created_timestamp_column)
        same = (source.table, stamps, tuple(view.keys.items()), view.ttl)
        if same not in self._lookups:
            types = table_types(self._connection, source.table)
            is_static = has_one_row_a_key(self._connection, source.table, list(view.keys))
            self._lookups[same] = Lookup(len(self._lookups), source, view.keys, view.ttl, types, is_static)
        if isinstance(source, WindowSource):
            wanted = [source.position]
        else:
            wanted = [name for feature in view.features for name in source.columns_of(feature)]
        missing = [name for name in [*wanted, *view.keys] if name not in self._lookups[same].types]
        if missing:
            raise CineFeastError(f"{source.table} has no column {missing[0]}, which view {view.name} reads", BUILD)
        return self._lookups[same]


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
