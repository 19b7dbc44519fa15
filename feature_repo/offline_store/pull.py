"""The rows of one source within a range of time: what materialize, saved datasets and logs read."""

from collections.abc import Sequence
from datetime import UTC, datetime

from feast.data_source import DataSource

from dbt_project.errors import CineFeastError
from dbt_project.sql_paths import path_literal
from feature_repo.offline_store.source import WarehouseSource, WindowSource
from feature_repo.offline_store.sql import columns, literal, quoted, quoted_table
from feature_repo.offline_store.storage import ParquetSource


def rows_sql(
    source: DataSource,
    keys: Sequence[str],
    features: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    is_latest: bool,
) -> str:
    """The query for the rows stamped from `start` to `end`, both included; the latest one a key if `is_latest`.

    A saved dataset or a log gives all of its columns, so that labels come back with the features.
    """
    if isinstance(source, ParquetSource):
        return parquet_sql(source, start, end)
    if not isinstance(source, WarehouseSource):
        raise CineFeastError(
            f"source {source.name} is a {type(source).__name__}", "give a WarehouseSource in feature_repo/sources.py"
        )
    table = quoted_table(source.table)
    hits = f"select rowid as hit from {table} where {within(source.timestamp_field, start, end)}"
    if is_latest:
        hits = (
            f"select arg_max(rowid, {recency(source)}) as hit from {table} "
            f"where {within(source.timestamp_field, start, end)} group by {columns(keys)}"
        )
    stamps = [name for name in (source.timestamp_field, source.created_timestamp_column) if name]
    selected = [columns(keys, "t"), *values(source, features), columns(stamps, "t")]
    return (
        f"with hits as ({hits}) select {', '.join(selected)} "
        f"from hits join {table} as t on t.rowid = hits.hit{history_join(source, keys)}"
    )


def values(source: WarehouseSource, features: Sequence[str]) -> list[str]:
    """The select list of the features, from the table `t` and the histories `a`."""

    def column(name: str) -> str:
        return f"t.{quoted(name)}"

    return [f"{source.feature_sql(feature, column, 'a')} as {quoted(feature)}" for feature in features]


def history_join(source: WarehouseSource, keys: Sequence[str]) -> str:
    """The join of the histories `a`, where the source has them."""
    if not isinstance(source, WindowSource):
        return ""
    same = " and ".join(f"a.{quoted(key)} = t.{quoted(key)}" for key in keys)
    return f" left join {quoted_table(source.history)} as a on {same}"


def recency(source: WarehouseSource) -> str:
    """What is larger for a later row: its timestamp, then when it was created, an unknown time counting least."""
    stamp = quoted(source.timestamp_field)
    if not source.created_timestamp_column:
        return stamp
    created = f"coalesce({quoted(source.created_timestamp_column)}::timestamp, timestamp '-infinity')"
    return f"row({stamp}::timestamp, {created})"


def parquet_sql(source: ParquetSource, start: datetime | None, end: datetime | None) -> str:
    """The query for a saved dataset, whole, or for the logs of a range."""
    files = source.files()
    if not files or not files[0].exists():
        raise CineFeastError(f"nothing is saved at {source.path}", "save or log features first")
    # a path is no pattern, and the files of a folder need not have the same columns
    names = ", ".join(path_literal(file) for file in files)
    range_ = within(source.timestamp_field, start, end) if source.timestamp_field else "true"
    return f"select * from read_parquet([{names}], union_by_name = true) where {range_}"


def within(stamp: str, start: datetime | None, end: datetime | None) -> str:
    """The condition that a timestamp lies in a range, both ends included; a naive end is UTC."""
    ends = [
        f"{quoted(stamp)} {comparison} timestamp {literal(naive_utc(event_time).isoformat(sep=' '))}"
        for comparison, event_time in ((">=", start), ("<=", end))
        if event_time is not None
    ]
    return " and ".join(ends) or "true"


def naive_utc(event_time: datetime) -> datetime:
    """The moment without an offset, in UTC."""
    return event_time.astimezone(UTC).replace(tzinfo=None) if event_time.tzinfo else event_time
