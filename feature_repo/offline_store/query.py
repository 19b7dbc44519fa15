"""Queries over the warehouse, each run in a connection of its own when its rows are asked for."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.entity_frame import OWN, EntityFrame
from feature_repo.offline_store.point_in_time import PointInTime, ViewQuery
from feature_repo.offline_store.sql import literal
from feature_repo.offline_store.warehouse import first_line, second

HITS = f"{OWN}hits"


class Store(Protocol):
    """The settings of the store, so far as a query needs them."""

    def opened(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection to the warehouse."""


class Query(Protocol):
    """Rows that can be had again and again."""

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """The rows in pieces of about `rows`; at least one piece, so that an empty result has its columns."""

    def copy(self, path: Path) -> None:
        """Write the rows to a parquet file, in any order."""


@dataclass(frozen=True)
class SqlQuery:
    """One statement."""

    store: Store
    sql: str

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """See Query."""
        with self.store.opened() as connection:
            yield from streamed(connection, self.sql, rows)

    def copy(self, path: Path) -> None:
        """See Query."""
        with self.store.opened() as connection:
            copy(connection, self.sql, path)


@dataclass(frozen=True)
class PointInTimeQuery:
    """A frame's rows with the features of some views, in the frame's order."""

    store: Store
    frame: EntityFrame
    views: Sequence[ViewQuery]
    is_known_time: bool = False
    """no row counts before it was created"""

    def _join(self, connection: duckdb.DuckDBPyConnection) -> PointInTime:
        types = self.frame.types(connection)
        return PointInTime(connection, types, self.views, self.frame.rows, self.is_known_time)

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """See Query. Lists are fetched for one piece at a time, so that nothing sorts them all."""
        with self.store.opened() as connection:
            join = self._join(connection)
            hits = join.hits(self.frame.relation(connection), is_ordered=True)
            if not join.is_wide:
                yield from streamed(connection, join.fetch(f"({hits})", is_ordered=True), rows)
                return
            fetching = second(connection)
            pieces = streamed(connection, hits, rows)
            if kept := join.kept(HITS):
                whole = pa.concat_tables(pieces)
                fetching.register(HITS, whole)
                for statement in kept:
                    fetching.execute(statement)
                pieces = (whole.slice(start, rows) for start in range(0, max(whole.num_rows, 1), rows))
            for piece in pieces:
                fetching.register(HITS, piece)
                yield from streamed(fetching, join.fetch(HITS, is_ordered=True, is_held=True), rows)

    def copy(self, path: Path) -> None:
        """See Query."""
        with self.store.opened() as connection:
            join = self._join(connection)
            hits = join.hits(self.frame.relation(connection), is_ordered=False)
            copy(connection, join.fetch(f"({hits})", is_ordered=False), path)


@dataclass(frozen=True)
class Held:
    """A table that is there already."""

    table: pa.Table

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """See Query."""
        yield self.table

    def copy(self, path: Path) -> None:
        """See Query."""
        pq.write_table(self.table, path)


def streamed(connection: duckdb.DuckDBPyConnection, sql: str, rows: int) -> Iterator[pa.Table]:
    """A statement's result in pieces of about `rows`, an empty one where there is none."""
    try:
        reader = connection.sql(sql).to_arrow_reader(rows)
        is_empty = True
        for batch in reader:
            is_empty = False
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:  # what Arrow makes of DuckDB's errors while it reads
        raise CineFeastError(f"the query fails: {first_line(error)}", "correct what it names") from error
    if is_empty:
        yield reader.schema.empty_table()


def copy(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    """Write a statement's result to a parquet file."""
    connection.execute(f"copy ({sql}) to {literal(str(path))} (format parquet)")
