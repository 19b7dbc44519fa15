"""Opening the published warehouse read-only, so that many readers share it, with room for temporary tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dbt_project.errors import CineFeastError


@contextmanager
def open_warehouse(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the warehouse's tables are named schema.table and temporary tables can be made.

    Raises CineFeastError where there is no warehouse, or the file is none.
    """
    if not Path(path).exists():
        raise CineFeastError(f"no warehouse at {path}", "cd dbt_project && dbt build")
    connection = duckdb.connect(config={"temp_directory": f"{path}.spill"})
    try:
        # no transparent conversion of timestamps: everything here is naive UTC
        connection.execute("set timezone = 'UTC'")
        try:
            connection.execute(f"attach '{path.replace(chr(39), chr(39) * 2)}' as warehouse (read_only)")
        except duckdb.Error as error:
            raise CineFeastError(f"{path} cannot be read: {error}", "cd dbt_project && dbt build") from error
        connection.execute("use warehouse")
        yield connection
    finally:
        connection.close()
