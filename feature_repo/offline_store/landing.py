"""What is written to the offline store: the columns of events, and logged features as parquet files."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureView
from feast.types import from_feast_to_pyarrow_type

from dbt_project.durable import written_aside
from dbt_project.errors import CineFeastError
from dbt_project.event_contract import rating_problem
from dbt_project.events.append import exclusive
from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import Workspace
from feature_repo.offline_store.entity_frame import microseconds


def land(table: pa.Table, root: Path, name: str) -> None:
    """Write the rows as one more file of the folder `root/name`; the names of its files sort by arrival, in UTC."""
    if "/" in name or name in ("", ".", ".."):
        raise CineFeastError(f"{name!r} cannot be the name of a folder below {root}", "name it without slashes")
    if table.num_rows:
        file = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.parquet"
        with written_aside(root / name / file) as part:
            pq.write_table(table, part, compression="zstd")


def land_logs(logs: pa.Table, space: Workspace, service: str) -> None:
    """Add logged features to those of their service, but for rows of erased users; an erasure waits meanwhile."""
    with exclusive(space.logs):
        if (erased := list(erased_users(space.events))) and "user_id" in logs.column_names:
            logs = logs.filter(pc.invert(pc.is_in(logs["user_id"], value_set=pa.array(erased, pa.int64()))))
        land(logs, space.logs, service)


def event_schema(view: FeatureView) -> pa.Schema:
    """The columns of a view's events: join keys, features, timestamps (naive UTC microseconds)."""
    source = view.batch_source
    stamps = [name for name in (source.timestamp_field, source.created_timestamp_column) if name]
    columns = [
        (field.name, from_feast_to_pyarrow_type(field.dtype)) for field in [*view.entity_columns, *view.features]
    ]
    return pa.schema([*columns, *((name, pa.timestamp("us")) for name in stamps)])


def check_is_read(name: str, schema: pa.Schema) -> None:
    """CineFeastError for a view whose events, with these columns, no dbt model reads: they would be lost."""
    if name != RATINGS or set(schema.names) != set(SCHEMAS[RATINGS].names):
        raise CineFeastError(
            f"events of {name} are read by nothing: dbt takes ratings alone, as {RATINGS}",
            "push ratings (push source ratings), and send other events to /v1/events of cinefeast serve",
        )


def check_ratings(ratings: pa.Table, what: str) -> None:
    """CineFeastError naming the first rating that dbt would reject."""
    if found := rating_problem(ratings):
        row, problem = found
        given = ", ".join(f"{name} {value}" for name, value in ratings.slice(row, 1).to_pylist()[0].items())
        raise CineFeastError(f"{what}: row {row}: {problem} ({given})", "correct the row; nothing was taken")


def fitted(table: pa.Table, schema: pa.Schema, what: str, required: list[str]) -> pa.Table:
    """The table with the schema's columns, order and types.

    CineFeastError names the first column that is missing, unexpected, of another type, or null though `required`.
    """
    # pandas leaves its index behind
    table = table.select([name for name in table.column_names if not name.startswith("__index_level_")])
    missing = [name for name in schema.names if name not in table.column_names]
    more = [name for name in table.column_names if name not in schema.names]
    if missing or more:
        wrong = f"no column {missing[0]}" if missing else f"an unexpected column {more[0]}"
        raise CineFeastError(f"{what}: {wrong}", f"give the columns {', '.join(schema.names)}")
    table = microseconds(table.select(schema.names))
    for number, field in enumerate(schema):
        try:
            cast = strict_cast(table.column(number), field.type, field.name in required)
            table = table.set_column(number, field, cast)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise CineFeastError(
                f"{what}: column {field.name}: {error}", f"give {field.name} as {field.type}"
            ) from error
    for name in required:
        if table[name].null_count:
            raise CineFeastError(
                f"{what}: column {name} is null in {table[name].null_count} rows", f"give each row its {name}"
            )
    return table


def strict_cast(column: pa.ChunkedArray, kind: pa.DataType, is_key: bool) -> pa.ChunkedArray:
    """The column as another type; ArrowTypeError where that would be a guess.

    A truth or a text is no number, a number no moment, as nobody told its unit, and a key no float, which does not hold
    every whole number. A moment with an offset becomes UTC.
    """
    given = column.type
    is_number = pa.types.is_integer(given) or pa.types.is_floating(given)
    is_text = pa.types.is_string(given) or pa.types.is_large_string(given)
    wants_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if (
        (wants_number and (is_text or pa.types.is_boolean(given)))
        or (pa.types.is_timestamp(kind) and is_number)
        or (is_key and pa.types.is_integer(kind) and pa.types.is_floating(given))
    ):
        raise pa.ArrowTypeError(f"it holds {given}, which is not taken for {kind}")
    if pa.types.is_timestamp(kind) and is_text:
        with suppress(pa.ArrowInvalid):  # some have no offset
            return column.cast(pa.timestamp("us", "UTC")).cast(kind)
    return column.cast(kind)


def in_microseconds(schema: pa.Schema) -> pa.Schema:
    """The schema with its moments to the microsecond: Feast keeps of a logged feature's moment the second alone."""
    return pa.schema(
        field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in schema
    )
