"""Which events were accepted, by id, and which of them the online features do not know yet: one SQLite file."""

import fcntl
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dbt_project.errors import CineFeastError
from serving.events import receipts
from serving.schemas.events import Event

SCHEMA = (
    "create table if not exists accepted (event_id text primary key, waiting text) without rowid",
    "create index if not exists waiting on accepted (event_id) where waiting is not null",
    "create table if not exists set_aside (event_id text primary key, body text, reason text not null) without rowid",
    # films by when their online features were last renewed: a replaced row has a higher number than any before
    "create table if not exists renewed (number integer primary key autoincrement, movie_id integer not null unique)",
)


DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


@dataclass(frozen=True)
class Page:
    """Some of the events that wait, by id."""

    events: list[Event]
    last: str
    """The last id that was looked at, readable or not; empty where there is none any more."""


@dataclass(frozen=True)
class Backlog:
    """What is accepted and not in the online features."""

    waiting: int
    """Events that will be tried again."""
    set_aside: int
    """Events that cannot be read, and will not be tried again."""


class Ledger:
    """Shared by the workers of a workspace; of each it belongs to one thread.

    CineFeastError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # one worker at a time: for a change of the journal's mode SQLite does not wait
            with path.with_name(".accepted.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
                for line in (
                    "pragma journal_mode = wal",
                    "pragma synchronous = full",
                    "pragma secure_delete = on",
                    *SCHEMA,
                ):
                    self._connection.execute(line)
                if not has_table(self._connection, "receipts"):
                    with self._transaction():
                        for line in receipts.RECEIPTS:
                            self._connection.execute(line)
        except (sqlite3.Error, OSError) as error:
            raise unusable(path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is done within, or nothing: whatever fails, the connection can begin another one."""
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back after some errors
                self._connection.execute("rollback")
            raise

    def accept(self, events: Sequence[Event], land: Callable[[list[Event]], None]) -> list[Event]:
        """Land those that are new, then note them; returns them.

        One worker at a time. Killed between the two, they are landed and were not acknowledged: sent again they are
        landed again, and the next dbt build takes the first.
        """
        with self._transaction():
            new = [event for event in events if self._add(event)]
            if new:
                land(new)
        return new

    def _add(self, event: Event) -> bool:
        body = event.model_dump_json()
        added = self._connection.execute("insert or ignore into accepted values (?, ?)", (event.event_id, body))
        if added.rowcount == 1:
            receipts.note(self._connection, event.event_id, event.user_id)
        return added.rowcount == 1

    def waiting(self, most: int, after: str = "") -> Page:
        """Events that the online features do not know yet, by id from `after` on.

        One that cannot be read, as another version wrote it, is set aside with its reason: the others go on.
        """
        query = "select event_id, waiting from accepted where waiting is not null and event_id > ? order by 1 limit ?"
        found, event_id = [], ""
        for event_id, body in self._connection.execute(query, (after, most)).fetchall():
            try:
                found.append(Event.model_validate_json(body, context={"accepted": True}))
            except ValidationError as error:
                self._set_aside(event_id, body, " ".join(str(error.errors()[0]["msg"]).split()))
        return Page(found, event_id)

    def _set_aside(self, event_id: str, body: str, reason: str) -> None:
        with self._transaction():
            self._connection.execute("insert or replace into set_aside values (?, ?, ?)", (event_id, body, reason))
            self._connection.execute("update accepted set waiting = null where event_id = ?", (event_id,))

    def are_online(self, events: Sequence[Event]) -> None:
        """Note that the online features know of them now."""
        with self._transaction():
            rows = [(event.event_id,) for event in events]
            self._connection.executemany("update accepted set waiting = null where event_id = ?", rows)
            films = [(movie_id,) for movie_id in sorted({e.movie_id for e in events if e.kind == "rating"})]
            self._connection.executemany("insert or replace into renewed (movie_id) values (?)", films)

    def not_online(self, event_ids: Iterable[str]) -> set[str]:
        """Those of the ids whose events the online features do not know."""
        query = (
            "select 1 from accepted where event_id = ?1 and waiting is not null"
            " union all select 1 from set_aside where event_id = ?1"
        )
        return {one for one in event_ids if self._connection.execute(query, (one,)).fetchone()}

    def backlog(self) -> Backlog:
        """How many events the online features do not know."""
        return counted(self._connection)

    def of_user(self, user_id: int) -> list[dict[str, Any]]:
        """Every row of a user."""
        return receipts.of_user(self._connection, user_id)

    def forget(self, user_id: int) -> None:
        """Delete every row of a user, and overwrite where it was."""
        with self._transaction():
            receipts.forget_user(self._connection, user_id)
        self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def forget_done(self, before: float) -> int:
        """Delete what was accepted before that moment, in seconds since 1970, and is online; how many events."""
        with self._transaction():
            return receipts.forget_done(self._connection, before)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def renewed_since(path: Path, number: int) -> tuple[int, list[int]]:
    """Films that ratings have renewed online after that `number`, in whichever worker, and the number to ask from next.

    None where there is no ledger. sqlite3.Error where it cannot be read.
    """
    if not path.exists():
        return number, []
    query = "select number, movie_id from renewed where number > ? order by 1"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
        rows = connection.execute(query, (number,)).fetchall() if has_table(connection, "renewed") else []
    return max([number, *(at for at, _ in rows)]), [movie_id for _, movie_id in rows]


def read_backlog(path: Path) -> Backlog:
    """The backlog in a ledger that others may be writing; none where there is no ledger. CineFeastError if unusable."""
    if not path.exists():
        return Backlog(0, 0)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return counted(connection)
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def counted(connection: sqlite3.Connection) -> Backlog:
    """The backlog in an open ledger, which an older version may have made without a table."""

    def count(table: str, condition: str) -> int:
        query = f"select count(*) from {table} where {condition}"
        return int(connection.execute(query).fetchone()[0]) if has_table(connection, table) else 0

    return Backlog(count("accepted", "waiting is not null"), count("set_aside", "true"))


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the ledger has it: an older version may have made it."""
    query = "select 1 from sqlite_master where type = 'table' and name = ?"
    return connection.execute(query, (name,)).fetchone() is not None


def unusable(path: Path, error: Exception) -> CineFeastError:
    """The error of a ledger that cannot be used. Events themselves are landed beside it, and are not lost with it."""
    what = f"the ledger of accepted events {path} cannot be used: {error}"
    if getattr(error, "sqlite_errorcode", None) in DAMAGED:
        then = "ids are forgotten, and events that wait are online after the next dbt build and feast materialize"
        return CineFeastError(what, f"mv {path} {path}.damaged: {then}")
    return CineFeastError(what, f"ls -l {path.parent}: it has to be writable, on a disk with room")
