"""The point-in-time join as SQL: for each entity row, the values that were known at its moment.

Two stages. `hits` finds the rows that count: one ASOF join a table, which carries the table's fixed-size columns along,
because an ASOF join sorts what it carries. `fetch` then looks up what is long (text, lists) by row id, slices windows
out of the histories, and joins tables of one row a key by hash, which costs a tenth of an ASOF join.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import duckdb

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.entity_frame import OWN, Types, event_time_of
from feature_repo.offline_store.known import has_known_time
from feature_repo.offline_store.lookup import (
    EVENT_TIME,
    PRUNED,
    SMALL,
    Lookup,
    among,
    arrived_late,
    count_rows,
    has_one_row_a_key,
    table_types,
)  # fmt: skip
from feature_repo.offline_store.source import CREATED, WarehouseSource, WindowSource
from feature_repo.offline_store.sql import columns, quoted
from feature_repo.offline_store.warehouse import BUILD

ROW = f"{OWN}row"
ASKED = f"{OWN}asked"


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


class PointInTime:
    """The queries that give a frame's rows with the features of some views."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        frame: Types,
        views: Sequence[ViewQuery],
        rows: int | None = None,
        is_known_time: bool = False,
    ) -> None:
        """`rows`: how many the frame has, where that is known. `is_known_time`: no row counts before it was created."""
        self._connection = connection
        self._frame = frame
        self._rows = rows
        self._is_known_time = is_known_time
        self._lookups: dict[tuple, Lookup] = {}
        self._histories: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._features = [
            f"{expression} as {quoted(name)}" for view in views for name, expression in self._expressions(view)
        ]

    @property
    def is_wide(self) -> bool:
        """Whether `fetch` brings more than one would sort."""
        return bool(self._histories) or any(lookup.fetched for lookup in self._lookups.values())

    def kept(self, hits: str) -> list[str]:
        """The statements to run on all `hits` before `fetch` is asked for pieces of them; none for a large frame."""
        return [statement for lookup in self._lookups.values() if (statement := lookup.keep(hits))]

    def hits(self, relation: str, is_ordered: bool) -> str:
        """The query that finds each row's hits, by the frame's order if asked for."""
        row = f", row_number() over () as {ROW}" if is_ordered else ""
        selected = [columns(self._frame, "e"), f"e.{EVENT_TIME}", *([f"e.{ROW}"] if is_ordered else [])]
        joins = ""
        for lookup in self._lookups.values():
            if not lookup.is_static:
                more, join = lookup.hits(ASKED)
                selected += more
                joins += join
        held = "materialized" if any(lookup.is_pruned for lookup in self._lookups.values()) else "not materialized"
        frame = f"with {ASKED} as {held} (select *, {event_time_of(self._frame)} as {EVENT_TIME}{row} from {relation})"
        order = f" order by e.{ROW}" if is_ordered else ""
        return f"{frame} select {', '.join(selected)} from {ASKED} as e{joins}{order}"

    def fetch(self, hits: str, is_ordered: bool, is_held: bool = False) -> str:
        """The query that gives the result from `hits`: a query, or the relation that holds one piece of it."""
        piece = hits if is_held else None
        joins = "".join(lookup.fetch(piece) for lookup in self._lookups.values())
        for (table, keys), alias in self._histories.items():
            same = [f"{alias}.{quoted(key)} = h.{quoted(entity)}" for key, entity in keys]
            joins += f" left join {among(table, dict(keys), piece)} as {alias} on {' and '.join(same)}"
        order = f" order by h.{ROW}" if is_ordered else ""
        selected = ", ".join([columns(self._frame, "h"), *self._features])
        return f"select {selected} from {hits} as h{joins}{order}"

    def _expressions(self, view: ViewQuery) -> list[tuple[str, str]]:
        lookup, source = self._lookup(view), view.source
        if not isinstance(source, WindowSource):
            return [(name, source.feature_sql(feature, lookup.column)) for feature, name in view.features.items()]
        keys = tuple(view.keys.items())
        history = self._history(source.history, keys)
        if lookup.is_known_time and source.arrivals:
            arrivals, created = self._history(source.arrivals, keys), lookup.column(CREATED)
            return [
                (name, source.known_sql(feature, lookup.column, history, arrivals, created))
                for feature, name in view.features.items()
            ]
        return [(name, source.feature_sql(feature, lookup.column, history)) for feature, name in view.features.items()]

    def _history(self, table: str, keys: tuple[tuple[str, str], ...]) -> str:
        return self._histories.setdefault((table, keys), f"a{len(self._histories)}")

    def _lookup(self, view: ViewQuery) -> Lookup:
        source = view.source
        stamps = (source.timestamp_field, source.created_timestamp_column)
        same = (source.table, source.versions, source.created, stamps, tuple(view.keys.items()), view.ttl)
        if same not in self._lookups:
            types = table_types(self._connection, source.table)
            rows = count_rows(self._connection, source.table)
            is_known_time = self._is_known_time and has_known_time(source)
            if is_known_time and source.versions:
                types[CREATED] = table_types(self._connection, source.versions)[CREATED]
            is_known_time = is_known_time and arrived_late(self._connection, source)
            is_static = (
                not is_known_time
                and rows <= SMALL
                and has_one_row_a_key(self._connection, source.table, list(view.keys))
            )
            is_pruned = self._rows is not None and self._rows * PRUNED <= rows
            self._lookups[same] = Lookup(
                len(self._lookups), source, view.keys, view.ttl, types, is_static, is_pruned, is_known_time
            )
        wanted = [name for feature in view.features for name in source.columns_of(feature)]
        missing = [name for name in [*wanted, *view.keys] if name not in self._lookups[same].types]
        if missing:
            raise CineFeastError(f"{source.table} has no column {missing[0]}, which view {view.name} reads", BUILD)
        return self._lookups[same]
