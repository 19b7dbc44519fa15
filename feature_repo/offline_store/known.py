"""A table's rows as they became known: what a join by known time reads in the place of the table."""

from collections.abc import Iterable

from feature_repo.offline_store.entity_frame import OWN
from feature_repo.offline_store.source import CREATED, LATE_FROM, WarehouseSource
from feature_repo.offline_store.sql import columns, quoted, quoted_table

KNOWN, ID = f"{OWN}known", f"{OWN}id"
"""Columns of `known_rows`: from when on a row is the one that counts, and what `fetched_rows` finds it by."""


def has_known_time(source: WarehouseSource) -> bool:
    """Whether anything tells when the source's rows became known."""
    return bool(source.versions or source.created)


def known_rows(source: WarehouseSource, keys: Iterable[str], frame: str) -> str:
    """The relation of the rows that counted at some moment: of each key the last one up to a moment was known then.

    `frame` is a condition on a row `t` of the table, which leaves out keys that are not asked for.
    """
    keys = list(keys)
    table, stamp = quoted_table(source.table), f"t.{quoted(source.timestamp_field)}::timestamp"
    if not source.versions:
        created = f"t.{quoted(source.created)}::timestamp"
        known = f"greatest({stamp}, {created})"
        # a row that happened earlier than one known before it never counts: of those known the last that happened does
        counting = (
            f"select distinct {known} as {KNOWN}, arg_max(t.rowid, ({stamp}, {created})) over "
            f"(partition by {columns(keys, 't')} order by {known}) as {ID} from {table} as t "
            f"where {created} is not null{frame}"
        )
        return f"(select t.*, s.{KNOWN}, s.{ID} from ({counting}) as s join {table} as t on t.rowid = s.{ID})"
    versions = quoted_table(source.versions)
    late = f"select {columns(keys)}, any_value({LATE_FROM}) as {LATE_FROM} from {versions} group by {columns(keys)}"
    return (
        f"(select t.*, null::timestamp as {CREATED}, {stamp} as {KNOWN}, t.rowid as {ID} from {table} as t "
        f"left join ({late}) as v using ({columns(keys)}) "
        f"where (v.{LATE_FROM} is null or {stamp} <= v.{LATE_FROM}){frame} union all by name "
        f"select t.* exclude ({LATE_FROM}), t.{CREATED} as {KNOWN}, -1 - t.rowid as {ID} from {versions} as t "
        f"where true{frame})"
    )


def fetched_rows(source: WarehouseSource, names: Iterable[str], table: str) -> str:
    """The relation of columns of the source's rows in `table`, and of its versions, each with its ID as rowid."""
    wanted = columns(names)
    versions = f"select {wanted}, -1 - rowid from {quoted_table(source.versions)}"
    return f'(select {wanted}, rowid as "rowid" from {table} union all {versions})'
