"""Lines of a published text file to Arrow tables of text columns, block by block, in bounded memory.

One line is one record, in quoted files too: MovieLens has no line breaks inside fields, and an unclosed
quote then costs its own line instead of the rest of the file. Line numbers and order are the file's.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.errors import CineFeastError
from dbt_project.ingest.datasets import TABLES, FileFormat

BLOCK = 8 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Header:
    """Which field of a line is which landed column: `positions[column]`, and how many fields a line has."""

    positions: dict[str, int]
    width: int


def landed_schema(table: str) -> pa.Schema:
    """line_number BIGINT, the columns of `table` and malformed_line, all text."""
    columns = [(name, pa.string()) for name in (*TABLES[table], "malformed_line")]
    return pa.schema([("line_number", pa.int64()), *columns])


def read_tables(
    stream: IO[bytes], table: str, file: FileFormat, where: str, on_progress: Callable[[int], None]
) -> Iterator[pa.Table]:
    """Yield the lines of `stream` as tables of `landed_schema(table)`; nothing where the stream is empty.

    A line with the wrong number of fields has only line_number and malformed_line. `where` names the file in
    errors (a lacking column, bytes that are not text). `on_progress` gets the bytes read so far.
    """
    header = Header({c: i for i, c in enumerate(file.columns.values())}, len(file.columns))
    line_number = 1
    for number, block in enumerate(read_blocks(stream, on_progress)):
        lines = pc.split_pattern(pa.scalar(decode(block, file, where, line_number)), "\n").values
        if number == 0 and file.has_header:
            header = read_header(lines[0].as_py(), file, where)
            lines, line_number = lines[1:], line_number + 1
        if len(lines):
            yield to_table(lines, table, file, header, line_number)
        line_number += len(lines)


def read_blocks(stream: IO[bytes], on_progress: Callable[[int], None]) -> Iterator[bytes]:
    """Blocks of whole lines with plain line ends, no byte order mark, no blank lines at the end of the file.

    A run of line ends is held back until something follows it: only then is it known not to be the end.
    """
    held = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    done = len(BYTE_ORDER_MARK)
    skip = 0  # after the first block: the line end that the block before left over
    while data := stream.read(BLOCK):
        done += len(data)
        on_progress(done)
        held += data
        end = held.rfind(b"\n") + 1
        whole = held[:end].replace(b"\r\n", b"\n")
        if ready := whole.rstrip(b"\n"):
            yield ready[skip:]
            skip = 1
        held = whole[len(ready) :] + held[end:]
    if ready := held.replace(b"\r\n", b"\n").rstrip(b"\r\n"):
        yield ready[skip:]


def decode(block: bytes, file: FileFormat, where: str, line_number: int) -> str:
    """The text of a block; CineFeastError naming the line whose bytes are not in the file's encoding.

    A file of an older data set may have been saved anew, as UTF-8: latin-1 with letters beyond ASCII is not by chance
    UTF-8 throughout.
    """
    with suppress(UnicodeDecodeError):
        return block.decode("utf-8")
    try:
        return block.decode(file.encoding)
    except UnicodeDecodeError as error:
        line = line_number + block.count(b"\n", 0, error.start)
        raise CineFeastError(
            f"{where} line {line} is not {file.encoding.upper()} text",
            f"save {file.name} as {file.encoding.upper()}",
        ) from None


def read_header(line: str, file: FileFormat, where: str) -> Header:
    """Where the columns stand; extra columns and another order are fine, a lacking one is not."""
    names = split_line(line, file, None) or []
    lacking = [name for name in file.columns if name not in names]
    if lacking:
        raise CineFeastError(
            f"{where} has no column {', '.join(lacking)}; its header is {line[:80]!r}",
            f"give {file.name} the header {file.separator.join(file.columns)}",
        )
    return Header({landed: names.index(name) for name, landed in file.columns.items()}, len(names))


def to_table(lines: pa.Array, table: str, file: FileFormat, header: Header, line_number: int) -> pa.Table:
    """One table of `landed_schema(table)` from its lines (n,), the first of which is `line_number`."""
    has_quotes = file.is_quoted and pc.any(pc.match_substring(lines, '"')).as_py()
    split = split_each if has_quotes or file.free_text else split_plain
    flat, is_good = split(lines, file, header)
    # Row i starts at its fields in `flat`, which holds the fields of the good lines one after another.
    start = np.where(is_good, (np.cumsum(is_good) - 1) * header.width, 0)

    def column(name: str) -> pa.Array:
        if name not in header.positions:
            return pa.nulls(len(lines), pa.string())
        values = flat.take(pa.array(start + header.positions[name], mask=~is_good))
        values = pc.if_else(pc.equal(values, ""), None, values)
        if name in file.convert:
            converted = [value and file.convert[name](value) for value in values.to_pylist()]
            return pa.array(converted, pa.string())
        return values

    columns = [column(name) for name in TABLES[table]]
    malformed = pc.if_else(pa.array(is_good), None, lines)
    numbers = pa.array(np.arange(line_number, line_number + len(lines), dtype=np.int64))
    return pa.Table.from_arrays([numbers, *columns, malformed], schema=landed_schema(table))


def split_plain(lines: pa.Array, file: FileFormat, header: Header) -> tuple[pa.Array, np.ndarray]:
    """Split all lines at once: fields of the good lines in a row, and which of the (n,) lines are good."""
    fields = pc.split_pattern(lines, file.separator)
    is_good = pc.equal(pc.list_value_length(fields), header.width)
    return fields.filter(is_good).flatten(), is_good.to_numpy(zero_copy_only=False)


def split_each(lines: pa.Array, file: FileFormat, header: Header) -> tuple[pa.Array, np.ndarray]:
    """The same line by line, for quoted fields and for titles that hold the separator."""
    free_text = None if file.free_text is None else header.positions[file.free_text]
    rows = [split_line(line, file, free_text, header.width) for line in lines.to_pylist()]
    good = [row if row is not None and len(row) == header.width else None for row in rows]
    flat = pa.array([field for row in good if row is not None for field in row], pa.string())
    return flat, np.array([row is not None for row in good])


def split_line(line: str, file: FileFormat, free_text: int | None, width: int = 0) -> list[str] | None:
    """The fields of one line; None where its quotes do not close."""
    if file.is_quoted and '"' in line:
        try:
            return next(csv.reader([line], strict=True))
        except csv.Error:
            return None
    fields = line.split(file.separator)
    if free_text is not None and len(fields) > width:
        # every field too many belongs to the free text: `5::Left::Right (1999)::Drama`
        end = len(fields) - (width - free_text - 1)
        fields[free_text:end] = [file.separator.join(fields[free_text:end])]
    return fields
