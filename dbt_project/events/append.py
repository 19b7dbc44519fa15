"""Landing events: on disk before anybody is told so."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from dbt_project.durable import flush, written_aside
from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import LANDED_AT
from dbt_project.events.tombstones import refuse_erased

PENDING = "pending"
OPEN = "open.jsonl"
SEGMENT_BYTES = 16 << 20
"""A pending file of lines is closed at this size."""
MANY_ROWS = 10_000
"""A push of more becomes a file of its own."""
PATIENCE = 30.0
"""Seconds to wait for another writer, who needs milliseconds."""
LOOKS_EVERY = 0.001
"""Seconds after which who waits for another writer looks again."""


def append(folder: Path, events: pa.Table) -> None:
    """Land the events in raw/events/<kind>, all of them or, where this fails, none.

    Lines are written under the lock, and waited for without it: so the disk commits at once what several writers wait
    for. Where it fails and another has written behind them they may stay; events that are sent again count once.
    CineFeastError where another writer keeps the folder for longer than PATIENCE, or one is of an erased user.
    """
    if not events.num_rows:
        return
    pending = folder / PENDING
    with exclusive(pending):
        if "user_id" in events.column_names:  # under the lock: what an erasure removes is all there is
            refuse_erased(folder.parent, events["user_id"].unique().to_pylist())
        if events.num_rows > MANY_ROWS:
            stamps = pa.array([now()] * events.num_rows, pa.timestamp("us"))
            with written_aside(pending / f"{new_name()}.parquet") as part:
                pq.write_table(events.append_column(LANDED_AT, stamps), part, compression="zstd")
            return
        file, start = write_lines(pending / OPEN, events)
        end = file.tell()
        if end >= SEGMENT_BYTES:
            close_open(pending)
    with file:
        try:
            os.fsync(file.fileno())
        except OSError:
            with exclusive(pending):
                if os.fstat(file.fileno()).st_size == end:
                    file.truncate(start)
            raise


@contextmanager
def exclusive(pending: Path) -> Iterator[None]:
    """No other writer, and no build that closes what is open, is here meanwhile; a killed one's lock dies with it."""
    pending.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(pending / ".lock", timeout=PATIENCE, poll_interval=LOOKS_EVERY):
            yield
    except Timeout:
        raise CineFeastError(
            f"another process has kept {pending} locked for {PATIENCE:.0f} s", "end it, then try again"
        ) from None


def append_lines(path: Path, events: pa.Table) -> None:
    """Add a line an event to a file and wait until they are on disk; for who keeps others out meanwhile."""
    file, start = write_lines(path, events)
    with file:
        try:
            os.fsync(file.fileno())
        except OSError:
            file.truncate(start)
            raise


def write_lines(path: Path, events: pa.Table) -> tuple[IO[bytes], int]:
    """Write a line an event after a file's last whole line; the open file, and its bytes before. The disk may lag."""
    landed_at = now().isoformat(timespec="microseconds")
    encoder = json.JSONEncoder(default=text, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    lines = "".join(f"{encoder.encode({**row, LANDED_AT: landed_at})}\n" for row in events.to_pylist())
    is_new = not path.exists()
    # without a buffer: one that a full disk did not take would be written again, by truncate or close
    file = path.open("ab+", buffering=0)
    start = whole_lines(file)
    try:
        file.truncate(start)  # the rest was being written by one who was killed, and was never acknowledged
        if is_new:
            flush(path.parent)  # before anybody else waits for lines in it
        write_all(file, lines.encode())
    except BaseException:
        with file:
            file.truncate(start)
        raise
    return file, start


def write_all(file: IO[bytes], content: bytes) -> None:
    """Write to a file that may take a part at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def whole_lines(file: IO[bytes]) -> int:
    """Bytes up to the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        if (last := file.read(end - start).rfind(b"\n")) >= 0:
            return start + last + 1
        end = start
    return 0


def close_open(pending: Path) -> None:
    """Give the open file a name of its own, under the lock: what comes later goes into another one."""
    if (pending / OPEN).exists():
        (pending / OPEN).rename(pending / f"{new_name()}.jsonl")
        flush(pending)


def new_name() -> str:
    """A name that sorts by the moment, in UTC; that a clock may go back does no harm, as no build relies on it."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}"


def now() -> datetime:
    """The moment, as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def text(value: Any) -> str:
    """A moment as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} is no value of an event")
