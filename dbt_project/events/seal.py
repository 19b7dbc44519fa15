"""What a build does with events before it reads them: seal what waits, remove the erased, merge small segments."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.durable import remove_parts, written_aside
from dbt_project.errors import CineFeastError
from dbt_project.events.append import PENDING, close_open, exclusive, new_name
from dbt_project.events.erase import remove_erased, write_snapshot
from dbt_project.events.foreign import is_foreign
from dbt_project.events.read import (
    MERGED,
    merged_from,
    pending_files,
    read_pending,
    read_segment,
    sealed_name,
    segments,
)
from dbt_project.events.schemas import LANDED, SCHEMAS
from dbt_project.workspace import Workspace

FIRST = "00000000T000000.000000-00000000.parquet"
"""A segment without rows: DuckDB reads no empty folder, and learns the columns of older files here."""
SMALL_BYTES = 16 << 20
MOST_SMALL = 32
"""So many segments smaller than SMALL_BYTES become one."""


def seal_events(space: Workspace) -> None:
    """Make segments of all that waits, for each kind of events.

    Killed at any moment, it loses and doubles nothing: a pending file goes when its segment is on disk, a merged
    segment's parts go when that is, and what is left of either goes the next time. One at a time: the build's lock.
    Nothing of erased users is left in any segment. CineFeastError names a file that cannot be read.
    """
    erased = write_snapshot(space)
    for kind, schema in SCHEMAS.items():
        folder = space.events / kind
        first_segment(folder, schema)
        check_segments(folder)
        remove_merged(folder)
        with exclusive(folder / PENDING):
            remove_parts(folder, folder / PENDING)
            close_open(folder / PENDING)
            closed = pending_files(folder)  # while there is no open file: what comes from now on is for the next build
        take_over_foreign(folder, schema)
        for file in closed:
            seal(file, folder / sealed_name(file), schema)
        if erased and "user_id" in schema.names:
            remove_erased(folder, erased)
        merge_small(folder, schema)


def first_segment(folder: Path, schema: pa.Schema) -> None:
    """Write the segment without rows where it is missing, or was made by a version with other columns."""
    columns = pa.schema([*schema, *LANDED])
    file = folder / FIRST
    if not file.exists() or pq.read_schema(file).names != columns.names:
        with written_aside(file) as part:
            pq.write_table(columns.empty_table(), part)


def seal(pending: Path, segment: Path, schema: pa.Schema) -> None:
    """Write a pending file's rows as a segment, then remove it."""
    if not segment.exists():
        events = read_pending(pending, schema)
        if events.num_rows:
            write_segment(events, segment)
    with exclusive(pending.parent):
        pending.unlink()


def write_segment(events: pa.Table, segment: Path, merged: tuple[str, ...] = ()) -> None:
    """Put a segment on disk, with the names of those that it takes the place of."""
    if merged:
        events = events.replace_schema_metadata({MERGED: "\n".join(merged)})
    with written_aside(segment) as part:
        pq.write_table(events, part, compression="zstd")


def merge_small(folder: Path, schema: pa.Schema) -> None:
    """One segment in place of many small ones."""
    small = [file for file in segments(folder) if file.name != FIRST and file.stat().st_size < SMALL_BYTES]
    if len(small) < MOST_SMALL:
        return
    rows = pa.concat_tables([read_segment(file, schema) for file in small])
    write_segment(rows, folder / f"{new_name()}.parquet", tuple(file.name for file in small))
    remove_merged(folder)


def remove_merged(folder: Path) -> None:
    """Remove segments whose rows another one has."""
    with exclusive(folder / PENDING):
        for name in [name for file in segments(folder) for name in merged_from(file)]:
            (folder / name).unlink(missing_ok=True)


def check_segments(folder: Path) -> None:
    """CineFeastError naming the first segment that is no whole parquet file."""
    for file in segments(folder):
        try:
            pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            what = f"{file} is not a whole parquet file: {error}"
            raise CineFeastError(what, f"mv {file} {file}.bad, then dbt build; nothing else is lost") from None


def take_over_foreign(folder: Path, schema: pa.Schema) -> None:
    """Write those segments anew, in their place, that other hands wrote otherwise; rows stay who they are."""
    for file in segments(folder):
        if is_foreign(file, schema):
            write_segment(read_segment(file, schema), file, tuple(merged_from(file)))
