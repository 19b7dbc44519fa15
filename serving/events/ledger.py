"""Which events were accepted, by id, and which of them the online features do not know yet: one SQLite file."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from serving.events import receipts
from serving.events.ledger_file import LedgerFile, has_table, number_of, unusable
from serving.schemas.events import Event


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

    CineFeastError where the file cannot be used at first; later sqlite3.Error or OSError, until it can be again.
    """

    def __init__(self, path: Path) -> None:
        self._file = LedgerFile(path)
        try:
            with self._file.connection():
                pass
        except (sqlite3.Error, OSError) as error:
            raise unusable(path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done within, or nothing: whatever fails, the connection can begin another one."""
        with self._file.connection() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # SQLite itself rolls back after some errors
                    connection.execute("rollback")
                raise

    def check(self) -> None:
        """Read the file as others do who open it now: what this connection remembers of it tells of no damage."""
        with self._file.connection(), closing(opened(self._file.path)) as other:
            counted(other)
            other.execute("select max(number) from renewed").fetchone()

    def accept(self, events: Sequence[Event], land: Callable[[list[Event]], None]) -> list[Event]:
        """Land those that are new, then note them; returns them.

        One worker at a time. Killed between the two, they are landed and were not acknowledged: sent again they are
        landed again, and the next dbt build takes the first.
        """
        with self._transaction() as connection:
            new = [event for event in events if add(connection, event)]
            if new:
                land(new)
        return new

    def waiting(self, most: int, after: str = "") -> Page:
        """Events that the online features do not know yet, by id from `after` on.

        One that cannot be read, as another version wrote it, is set aside with its reason: the others go on.
        """
        query = "select event_id, waiting from accepted where waiting is not null and event_id > ? order by 1 limit ?"
        found, event_id = [], ""
        with self._file.connection() as connection:
            rows = connection.execute(query, (after, most)).fetchall()
        for event_id, body in rows:
            try:
                found.append(Event.model_validate_json(body, context={"accepted": True}))
            except ValidationError as error:
                self._set_aside(event_id, body, " ".join(str(error.errors()[0]["msg"]).split()))
        return Page(found, event_id)

    def _set_aside(self, event_id: str, body: str, reason: str) -> None:
        with self._transaction() as connection:
            connection.execute("insert or replace into set_aside values (?, ?, ?)", (event_id, body, reason))
            connection.execute("update accepted set waiting = null where event_id = ?", (event_id,))

    def are_online(self, events: Sequence[Event]) -> None:
        """Note that the online features know of them now."""
        with self._transaction() as connection:
            rows = [(event.event_id,) for event in events]
            connection.executemany("update accepted set waiting = null where event_id = ?", rows)
            films = [(movie_id,) for movie_id in sorted({e.movie_id for e in events if e.kind == "rating"})]
            connection.executemany("insert or replace into renewed (movie_id) values (?)", films)

    def not_online(self, event_ids: Iterable[str]) -> set[str]:
        """Those of the ids of which it does not know that the online features have their events."""
        query = (
            "select 1 from accepted where event_id = ?1 and waiting is null"
            " and event_id not in (select event_id from set_aside)"
        )
        with self._file.connection() as connection:
            return {one for one in event_ids if not connection.execute(query, (one,)).fetchone()}

    def backlog(self) -> Backlog:
        """How many events the online features do not know."""
        with self._file.connection() as connection:
            return counted(connection)

    def of_user(self, user_id: int) -> list[dict[str, Any]]:
        """Every row of a user."""
        with self._file.connection() as connection:
            return receipts.of_user(connection, user_id)

    def forget(self, user_id: int) -> None:
        """Delete every row of a user, and overwrite where it was."""
        with self._transaction() as connection:
            receipts.forget_user(connection, user_id)
        with self._file.connection() as connection:
            connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def forget_done(self, before: float) -> int:
        """Delete what was accepted before that moment, in seconds since 1970, and is online; how many events."""
        with self._transaction() as connection:
            return receipts.forget_done(connection, before)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def add(connection: sqlite3.Connection, event: Event) -> bool:
    """Note an event, unless its id was accepted before; whether it is new."""
    body = event.model_dump_json()
    added = connection.execute("insert or ignore into accepted values (?, ?)", (event.event_id, body))
    if added.rowcount == 1:
        receipts.note(connection, event.event_id, event.user_id)
    return added.rowcount == 1


@dataclass(frozen=True)
class Mark:
    """How far somebody has read which films were renewed."""

    ledger: int | None = None
    """The file that was read; another one counts anew."""
    number: int = 0


def renewed_since(path: Path, mark: Mark) -> tuple[Mark, list[int]]:
    """Films that ratings have renewed online after that mark, in whichever worker, and the mark to ask from next.

    None where there is no ledger. sqlite3.Error where it cannot be read.
    """
    ledger = number_of(path)
    if ledger is None:
        return mark, []
    number = mark.number if ledger == mark.ledger else 0
    query = "select number, movie_id from renewed where number > ? order by 1"
    with closing(opened(path, timeout=1)) as connection:
        rows = connection.execute(query, (number,)).fetchall() if has_table(connection, "renewed") else []
    return Mark(ledger, max([number, *(at for at, _ in rows)])), [movie_id for _, movie_id in rows]


def opened(path: Path, timeout: float = 30) -> sqlite3.Connection:
    """The ledger, to be read alone."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout)


def read_backlog(path: Path) -> Backlog:
    """The backlog in a ledger that others may be writing; none where there is no ledger. CineFeastError if unusable."""
    if not path.exists():
        return Backlog(0, 0)
    try:
        with closing(opened(path)) as connection:
            return counted(connection)
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def counted(connection: sqlite3.Connection) -> Backlog:
    """The backlog in an open ledger, which an older version may have made without a table."""

    def count(table: str, condition: str) -> int:
        query = f"select count(*) from {table} where {condition}"
        return int(connection.execute(query).fetchone()[0]) if has_table(connection, table) else 0

    return Backlog(count("accepted", "waiting is not null"), count("set_aside", "true"))
