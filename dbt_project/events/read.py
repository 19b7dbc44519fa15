"""Reading landed events."""

from collections.abc import Container
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.events.append import OPEN, PENDING, exclusive, whole_lines
from dbt_project.events.foreign import is_foreign, read_foreign
from dbt_project.events.schemas import GIVEN, LANDED, LANDED_AT, LANDED_FILE, LANDED_ROW

TRIES = 5
MERGED = b"cinefeast.merged"
"""In a segment's footer: the names of the segments it was merged from."""


def pending_files(folder: Path) -> list[Path]:
    """What waits for a build, oldest first, the open file last."""
    files = [*(folder / PENDING).glob("*.jsonl"), *(folder / PENDING).glob("*.parquet")]
    return sorted(files, key=lambda file: (file.name == OPEN, file.name))


def read_pending(file: Path, schema: pa.Schema) -> pa.Table:
    """The events of a pending file and where they were landed. CineFeastError where it cannot be read."""
    try:
        table = pq.read_table(file) if file.suffix == ".parquet" else read_lines(file, schema)
        table = table.select([*schema.names, LANDED_AT]).cast(pa.schema([*schema, LANDED.field(LANDED_AT)]))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError) as error:
        what = f"{file} is not as events are landed: {' '.join(str(error).split())}"
        raise CineFeastError(what, f"mv {file} {file}.bad, then dbt build; nothing else is lost") from None
    return landed(table, sealed_name(file))


def read_lines(file: Path, schema: pa.Schema) -> pa.Table:
    """The whole lines of a file; what follows the last of them was never acknowledged."""
    columns = pa.schema([*schema, LANDED.field(LANDED_AT)])
    with file.open("rb") as stream:
        size = whole_lines(stream)
        if not size:
            return columns.empty_table()
        stream.seek(0)
        options = pj.ParseOptions(explicit_schema=columns, unexpected_field_behavior="error")
        content = pa.py_buffer(stream.read(size))
    return pj.read_json(pa.BufferReader(content), pj.ReadOptions(block_size=16 << 20), options)


def landed(table: pa.Table, name: str) -> pa.Table:
    """The table with the file that each row was landed in, and its place there."""
    count = table.num_rows
    with_file = table.append_column(LANDED_FILE, pa.repeat(pa.scalar(name, pa.string()), count))
    return with_file.append_column(LANDED_ROW, pa.array(range(count), pa.int64()))


def segments(folder: Path) -> list[Path]:
    """The files that dbt reads, by name."""
    return sorted(folder.glob("*.parquet"))


def merged_from(segment: Path) -> list[str]:
    """The names of the segments whose rows this one has."""
    metadata = pq.read_schema(segment).metadata or {}
    return metadata[MERGED].decode().split("\n") if MERGED in metadata else []


def readable(folder: Path) -> list[Path]:
    """The segments that count: none that cannot be read, and none that was merged into another."""
    merged: dict[Path, list[str]] = {}
    for file in segments(folder):
        with suppress(OSError, pa.ArrowException):
            merged[file] = merged_from(file)
    gone = {name for names in merged.values() for name in names}
    return [file for file in merged if file.name not in gone]


def landed_counts(folder: Path) -> dict[str, int]:
    """How many sealed events there are of each landed file."""
    counts: dict[str, int] = {}
    for file in readable(folder):
        if LANDED_FILE in pq.read_schema(file).names:
            found = pq.read_table(file, columns=[LANDED_FILE])[LANDED_FILE].value_counts()
            counts |= {entry["values"]: entry["counts"] for entry in found.to_pylist()}
        else:
            counts[file.name] = pq.read_metadata(file).num_rows
    return {name: count for name, count in counts.items() if count}


def read_segment(file: Path, schema: pa.Schema) -> pa.Table:
    """The events of a segment and where they were landed, which a file of another version does not say."""
    if is_foreign(file, schema):
        at = named_moment(file)
        return read_foreign(file, schema, f"timestamp '{at}'" if at else "null::timestamp")
    table = pq.read_table(file)
    if LANDED_FILE not in table.column_names:
        at = pa.array([named_moment(file)] * table.num_rows, pa.timestamp("us"))
        table = landed(table.select(schema.names).append_column(LANDED_AT, at), file.name)
    return in_order(table, schema)


def named_moment(file: Path) -> datetime | None:
    """When a file was landed, by its name."""
    try:
        return datetime.strptime(file.name[:22], "%Y%m%dT%H%M%S.%f")
    except ValueError:
        return None


def in_order(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a segment, in their order."""
    columns = pa.schema([*schema, *LANDED])
    if GIVEN not in table.column_names:
        table = table.append_column(GIVEN, pa.nulls(table.num_rows, pa.string()))
    return table.select(columns.names).cast(columns)


def read_sealed(folder: Path, schema: pa.Schema, without: Container[str] = ()) -> pa.Table:
    """The events of all segments in the order in which they were landed, but for those of some landed files."""
    found = [pa.schema([*schema, *LANDED]).empty_table()]
    for file in readable(folder):
        table = read_segment(file, schema)
        names = [name for name in table[LANDED_FILE].unique().to_pylist() if name not in without]
        found.append(table.filter(pc.is_in(table[LANDED_FILE], value_set=pa.array(names, pa.string()))))
    return pa.concat_tables(found).sort_by([(LANDED_FILE, "ascending"), (LANDED_ROW, "ascending")])


def read_all(folder: Path, schema: pa.Schema, without: Container[str] = ()) -> pa.Table:
    """Events in the order in which they came in, sealed or not, but for those of some landed files.

    Readers lock nobody out: where files were sealed or closed meanwhile, it looks again.
    """
    for _ in range(TRIES):
        before = files(folder)
        with suppress(FileNotFoundError):
            found = read_once(folder, schema, without)
            if files(folder) == before:
                return found
    with exclusive(folder / PENDING):
        return read_once(folder, schema, without)


def files(folder: Path) -> list[Path]:
    """What holds events now."""
    return [*pending_files(folder), *segments(folder)]


def read_once(folder: Path, schema: pa.Schema, without: Container[str]) -> pa.Table:
    """What `read_all` gives, if no file comes or goes meanwhile."""
    pending = pending_files(folder)
    known = {name for file in readable(folder) for name in (file.name, *merged_from(file))}
    sealed = read_sealed(folder, schema, without)
    waiting = [read_pending(file, schema) for file in pending if sealed_name(file) not in known]
    return pa.concat_tables([sealed, *(in_order(table, schema) for table in waiting)])


def sealed_name(pending: Path) -> str:
    """What a pending file is called as a segment."""
    return f"{pending.stem}.parquet"


def stamp(folder: Path) -> tuple[int, ...]:
    """Another value whenever events came in: it is asked before each answer of a server."""
    found: list[int] = []
    for path in (folder, folder / PENDING, folder / PENDING / OPEN):
        with suppress(FileNotFoundError):
            status = path.stat()
            found += (status.st_mtime_ns, status.st_size)
    return tuple(found)
