"""The ledger's file, which several workers have open: one that is damaged, or gone, has another one in its place."""

import fcntl
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbt_project.errors import CineFeastError
from serving.events import receipts

log = logging.getLogger("cinefeast.events")
SCHEMA = (
    "create table if not exists accepted (event_id text primary key, waiting text) without rowid",
    "create index if not exists waiting on accepted (event_id) where waiting is not null",
    "create table if not exists set_aside (event_id text primary key, body text, reason text not null) without rowid",
    # films by when their online features were last renewed: a replaced row has a higher number than any before
    "create table if not exists renewed (number integer primary key autoincrement, movie_id integer not null unique)",
)
SAFE = ("pragma journal_mode = wal", "pragma synchronous = full", "pragma secure_delete = on")
FILES = ("", "-wal", "-shm")
"""What SQLite keeps of a database, by the end of its name."""
ASIDE = ".damaged"


class LedgerFile:
    """A connection to what lies at a path. It belongs to one thread.

    A file that is damaged is moved aside by the first who finds out, as no build needs anything of it; whoever has a
    file open that was moved finds the new one at the next use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._number: int | None = None
        """Of the file that is open."""

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """What is open now; sqlite3.Error or OSError where the file cannot be used this time."""
        if self._connection is None or number_of(self.path) != self._number:
            self._open()
        assert self._connection
        try:
            yield self._connection
        except sqlite3.Error as error:
            if is_damage(error):
                with self._alone():
                    self._move_aside(self._number, error)
            raise

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            try:
                self._connect()
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                self._move_aside(number_of(self.path), error)
                self._connect()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One worker at a time: for a change of the journal's mode SQLite does not wait."""
        with self.path.with_name(".accepted.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _connect(self) -> None:
        self.close()
        self._connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            for line in (*SAFE, *SCHEMA):
                self._connection.execute(line)
            if not has_table(self._connection, "receipts"):
                self._connection.execute("begin immediate")
                for line in receipts.RECEIPTS:
                    self._connection.execute(line)
                self._connection.execute("commit")
        except BaseException:
            self.close()
            raise
        self._number = number_of(self.path)

    def _move_aside(self, number: int | None, error: sqlite3.Error) -> None:
        """Move the file of that number, unless another worker has."""
        self.close()
        if number is None or number_of(self.path) != number:
            return
        aside = free_name(self.path)
        for end in FILES:
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + end).rename(aside.with_name(aside.name + end))
        log.error(
            "the ledger of accepted events was damaged (%s) and is %s now: its ids are forgotten, and events of it "
            "that wait are online after the next dbt build and feast materialize",
            error,
            aside,
        )

    def close(self) -> None:
        """Let go of it."""
        if self._connection:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is wrong, not what is asked of it or the disk it lies on."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def number_of(path: Path) -> int | None:
    """What tells a file from one that had its name before; None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def moved_aside(path: Path) -> list[Path]:
    """Damaged ledgers that were there before this one."""
    found = path.parent.glob(f"{path.name}{ASIDE}*")
    return sorted(file for file in found if not file.name.endswith(FILES[1:]))


def free_name(path: Path) -> Path:
    """A name that no damaged ledger has yet."""
    names = (path.with_name(f"{path.name}{ASIDE}{end}") for end in ("", *(f".{n}" for n in range(1, 10_000))))
    return next(name for name in names if not name.exists())


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the ledger has it: an older version may have made it."""
    query = "select 1 from sqlite_master where type = 'table' and name = ?"
    return connection.execute(query, (name,)).fetchone() is not None


def unusable(path: Path, error: Exception) -> CineFeastError:
    """The error of a ledger that cannot be used. Events themselves are landed beside it, and are not lost with it."""
    what = f"the ledger of accepted events {path} cannot be used: {error}"
    if isinstance(error, sqlite3.Error) and is_damage(error):
        then = "ids are forgotten, and events that wait are online after the next dbt build and feast materialize"
        return CineFeastError(what, f"mv {path} {path}{ASIDE}: {then}")
    return CineFeastError(what, f"ls -l {path.parent}: it has to be writable, on a disk with room")
