"""Opening the published warehouse read-only, so that many readers share it, with room for temporary tables."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dbt_project.errors import CineFeastError
from feature_repo.offline_store.sql import literal

MEMORY_LIMIT = "8GB"
BUILD = "cd dbt_project && dbt build"


@contextmanager
def open_warehouse(path: str, memory_limit: str = MEMORY_LIMIT) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the warehouse's tables are named schema.table.

    What does not fit into `memory_limit` spills beside the warehouse. Raises CineFeastError where there is no
    warehouse, the file is none, or another process writes to it; any other error of DuckDB within becomes one, too.
    """
    if not Path(path).exists():
        raise CineFeastError(f"no warehouse at {path}", BUILD)
    # a folder of its own: two processes that spill into one folder overwrite each other's files
    spill = f"{path}.spill-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    connection = duckdb.connect(config={"temp_directory": spill, "memory_limit": memory_limit})
    try:
        # no conversion of timestamps behind our back: everything here is naive UTC
        connection.execute("set global timezone = 'UTC'")
        connection.execute("set timezone = 'UTC'")
        # DuckDB takes a registered frame for one row, and would compare each of its rows with the whole table
        connection.execute("set global asof_loop_join_threshold = 0")
        attach(connection, path)
        try:
            yield connection
        except duckdb.Error as error:
            raise CineFeastError(f"the query fails: {first_line(error)}", "correct what it names") from error
    finally:
        connection.close()


def attach(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Make the warehouse the connection's database, read-only."""
    try:
        connection.execute(f"attach {literal(path)} as cinefeast (read_only)")
    except duckdb.Error as error:
        if "lock" in str(error):
            raise CineFeastError(
                f"{path} is being written by another process", "let dbt build finish, or read the published warehouse"
            ) from error
        raise CineFeastError(f"{path} cannot be read: {first_line(error)}", BUILD) from error
    connection.execute("use cinefeast")


def first_line(error: Exception) -> str:
    """What went wrong, without the SQL that DuckDB adds below it."""
    return str(error).strip().split("\n", 1)[0]


def second(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Another connection to the same database, for a query while a result of the first is still being read."""
    cursor = connection.cursor()
    cursor.execute("use cinefeast")
    return cursor
