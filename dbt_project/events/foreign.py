"""Segments that other hands put there: of other types, without some columns or with more.

Each value is read as the contract of events reads text; what is none is null, and such a row keeps as text all that it
was given. So a build rejects the row, with its reason, and takes in the others.
"""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import GIVEN, LANDED, LANDED_AT, LANDED_FILE, LANDED_ROW
from dbt_project.sql_macros import shared_rule
from dbt_project.sql_paths import path_literal


def is_foreign(file: Path, schema: pa.Schema) -> bool:
    """Whether a segment is not as this code or an earlier version writes it."""
    found, known = pq.read_schema(file), pa.schema([*schema, *LANDED])
    types = dict(zip(found.names, found.types, strict=True))
    return len(types) < len(found) or not (
        set(schema.names) <= types.keys() <= set(known.names)
        and all(known.field(name).type == kind for name, kind in types.items())
    )


def read_foreign(file: Path, schema: pa.Schema, landed_at: str) -> pa.Table:
    """Its events, and where they were landed: in this file at the moment `landed_at`, SQL, if it does not say.

    Columns that events do not have are left out. CineFeastError where it cannot be read.
    """
    found = pq.read_schema(file)
    names = set(found.names)
    values = {
        field.name: value(field, found.field(field.name).type)
        if field.name in names
        else f"null::{sql_type(field.type)}"
        for field in schema
    }
    texts = {name: f'"{name}"::varchar' for name in schema.names if name in names}
    is_lost = " or ".join(f"({values[name]}) is null and {text} is not null" for name, text in texts.items()) or "false"
    given = f"case when {is_lost} then concat_ws(' | ', {', '.join(texts.values()) or 'null'}) end"
    own = {LANDED_FILE: path_name(file), LANDED_ROW: "file_row_number", LANDED_AT: landed_at, GIVEN: given}
    for name in {LANDED_FILE, LANDED_ROW, LANDED_AT} & names:
        own[name] = f"coalesce({value(LANDED.field(name), pa.string())}, {own[name]})"
    selected = ", ".join(f'{expression} as "{name}"' for name, expression in {**values, **own}.items())
    query = (
        f"select {selected} from read_parquet({path_literal(file)}, file_row_number = true) order by file_row_number"
    )
    try:
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")  # a moment without an offset is UTC
            return connection.sql(query).to_arrow_table().cast(pa.schema([*schema, *LANDED]))
    except duckdb.Error as error:
        what = f"{file} is not as events are landed: {' '.join(str(error).split())}"
        raise CineFeastError(what, f"mv {file} {file}.bad, then dbt build; nothing else is lost") from None


def value(field: pa.Field, given: pa.DataType) -> str:
    """The SQL of a column, of which this type was given, as what the field holds: null where it is none."""
    text, kind = f'"{field.name}"::varchar', field.type
    if pa.types.is_list(kind):
        return f'try_cast("{field.name}" as varchar[])' if pa.types.is_list(given) else "null::varchar[]"
    if field.name in ("user_id", "movie_id"):
        return shared_rule("whole_number", text)
    if pa.types.is_timestamp(kind):
        return f"(try_cast({text} as timestamptz) at time zone 'UTC')"
    return f"try_cast({text} as {sql_type(kind)})"


def sql_type(kind: pa.DataType) -> str:
    """The name that DuckDB has for a type of events."""
    types = {pa.int64(): "bigint", pa.float32(): "float", pa.bool_(): "boolean", pa.string(): "varchar"}
    return "varchar[]" if pa.types.is_list(kind) else types.get(kind, "timestamp")


def path_name(file: Path) -> str:
    """A file's name as a string of SQL."""
    return "'" + file.name.replace("'", "''") + "'"
