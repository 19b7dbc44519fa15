"""Arrow columns to numpy, whatever a store hands out for a null: historical and online tables alike."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.ids import Ids


def has(table: pa.Table, name: str) -> bool:
    """Whether there is a column of this name. Arrow's `column_names` is a list made anew, which takes longer."""
    return table.schema.get_field_index(name) >= 0


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """A numeric column as float32 (n,), nulls as NaN."""
    return floats(table.column(name)).astype(np.float32)


def integers(table: pa.Table, name: str, null: int = -1) -> np.ndarray:
    """An id column as int64 (n,), every one of them exact. A nullable int may come as float; nulls become `null`."""
    column = table.column(name)
    if pa.types.is_integer(column.type):  # floats hold no whole number above 2^53 exactly
        whole = pc.fill_null(column, null) if column.null_count else column
        return whole.to_numpy().astype(np.int64)
    values = floats(table.column(name))
    return np.where(np.isnan(values), null, values).astype(np.int64)


def floats(column: pa.ChunkedArray) -> np.ndarray:
    """A numeric column as float64 (n,), nulls as NaN."""
    is_plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if is_plain and not column.null_count:  # Arrow's cast takes longer than the few numbers of one user
        return column.to_numpy().astype(np.float64)
    found: np.ndarray = column.cast(pa.float64()).to_numpy()
    return found


def microseconds(table: pa.Table, name: str = "event_timestamp") -> np.ndarray:
    """A timestamp column as int64 (n,) microseconds since the epoch, UTC."""
    column = table.column(name)
    return column.cast(pa.timestamp("us", getattr(column.type, "tz", None))).cast(pa.int64()).to_numpy()


def ragged(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A list column as (values, offsets (n + 1,)); a null list is empty, a null element NaN or -1."""
    column = table.column(name)
    chunks = column.chunks or [pa.array([], column.type)]  # a table without rows may have none
    lists = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    if lists.null_count == len(lists):  # of one user often, where Arrow's functions take longer than all else here
        return np.empty(0, np.float32), np.zeros(len(lists) + 1, np.int64)
    if lists.null_count or not isinstance(lists, pa.ListArray):
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        values, offsets = lists.flatten(), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    else:  # a request reads some twenty lists of one user: without Arrow's functions it takes a third of the time
        offsets = lists.offsets.to_numpy().astype(np.int64)
        values = lists.values.slice(offsets[0], offsets[-1] - offsets[0])
        offsets -= offsets[0]
    if values.null_count and pa.types.is_integer(values.type):
        values = pc.fill_null(values, -1)
    return values.to_numpy(zero_copy_only=False), offsets


def arrays(table: pa.Table, name: str) -> list[np.ndarray]:
    """A list column as one array a row."""
    values, offsets = ragged(table, name)
    return [values[start:end] for start, end in pairwise(offsets)]


def last(table: pa.Table, name: str, width: int) -> pa.Array:
    """A list column with the last `width` elements of each list; a null list is empty."""
    values, offsets = ragged(table, name)
    lengths = np.minimum(np.diff(offsets), width)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    kept = np.arange(ends[-1]) + np.repeat(offsets[1:] - ends[1:], lengths)
    kind = table.schema.field(name).type
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values[kept], kind.value_type), kind)


def padded(values: np.ndarray, offsets: np.ndarray, width: int, fill: float) -> np.ndarray:
    """The last `width` elements of each list, right-aligned: (n, width), `fill` on the left."""
    lengths = np.minimum(np.diff(offsets), width)
    column = np.arange(width) - (width - lengths)[:, None]  # (n, width), < 0 where there is nothing
    source = (offsets[1:] - lengths)[:, None] + column
    out = np.full((len(lengths), width), fill, dtype=values.dtype)
    held = column >= 0
    out[held] = values[source[held]]
    return out


def window(table: pa.Table, name: str, films: Ids, width: int) -> np.ndarray:
    """A list of movie ids as catalogue rows (n, width) int64, newest last, -1 for padding and unknown films."""
    values, offsets = ragged(table, name)
    return padded(films.rows(values), offsets, width, -1)


def shares(table: pa.Table, name: str, width: int) -> np.ndarray:
    """A fixed-length list of numbers as float32 (n, width), zeros where it is null or not a number."""
    values, offsets = ragged(table, name)
    known = np.where(np.isfinite(values), values, 0.0).astype(np.float32)
    return padded(known, offsets, width, 0.0)


def multi_hot(table: pa.Table, name: str, width: int) -> np.ndarray:
    """A list of indexes in 0..width-1 as a 0/1 matrix float32 (n, width); indexes beyond it are left out."""
    values, offsets = ragged(table, name)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    column = values.astype(np.int64)
    out = np.zeros((len(offsets) - 1, width), np.float32)
    known = (column >= 0) & (column < width)
    out[row[known], column[known]] = 1.0
    return out
