"""The ledger of what TMDb was asked: raw/tmdb/ledger.sqlite, one row a film.

It says nothing that the landed files do not say, but for what failed and what was unchanged: files that it has not
read yet (of a run that was killed, of `collect --from`, or all of them where the ledger is gone) are read when it is
opened.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbt_project.errors import CineFeastError
from dbt_project.ingest.json_lines import landed_lines
from dbt_project.ingest.tmdb.answers import FilmAnswer, iso_time

TABLES = """
    create table if not exists films (
        tmdb_id integer primary key, status text not null, etag text, tries integer not null, fetched_at text not null
    ) strict;
    create table if not exists files (name text primary key, size integer not null, mtime_ns integer not null) strict;
    create table if not exists refreshes (since text primary key, began_at text not null) strict;
"""
NOTE = """
    insert into films values (?, ?, ?, ?, ?) on conflict (tmdb_id) do update set
        status = excluded.status, tries = excluded.tries, fetched_at = excluded.fetched_at,
        etag = case when excluded.status in ('failed', 'rejected') then etag else excluded.etag end
    where excluded.fetched_at >= fetched_at
"""


@dataclass(frozen=True)
class LedgerRow:
    """What is noted of a film; `etag` is that of the last document."""

    status: str
    etag: str | None
    fetched_at: str


class Ledger:
    """An open ledger. Every note is kept when the call returns."""

    def __init__(self, connection: sqlite3.Connection, directory: Path) -> None:
        self.connection = connection
        self.directory = directory

    def note(self, answer: FilmAnswer) -> None:
        """Keep what was answered, unless something later is noted already."""
        with self.connection:
            self.connection.execute(NOTE, row(answer))

    def films(self) -> dict[int, LedgerRow]:
        """What is noted, by tmdb_id."""
        rows = self.connection.execute("select tmdb_id, status, etag, fetched_at from films")
        return {tmdb_id: LedgerRow(*columns) for tmdb_id, *columns in rows}

    def read_new_files(self) -> None:
        """Note the answers of the landed files that were not read before."""
        known = {tuple(row) for row in self.connection.execute("select name, size, mtime_ns from files")}
        for file in sorted(self.directory.glob("*.jsonl.gz")):
            if signature(file) not in known:
                self.read(file)

    def read(self, file: Path) -> None:
        """Note the answers of one landed file, and that it was read."""
        landed_at = iso_time(datetime.fromtimestamp(file.stat().st_mtime, UTC))
        with self.connection:
            self.connection.executemany(NOTE, map(row, answers(file, landed_at)))
        self.mark_read(file)

    def mark_read(self, file: Path) -> None:
        """Keep in mind that all answers of a landed file are noted."""
        with self.connection:
            self.connection.execute("insert or replace into files values (?, ?, ?)", signature(file))

    def begin_refresh(self, since: str) -> str:
        """The moment at which the refresh from the change list since a day began: now, or up to a day ago.

        One that is unfinished for longer is forgotten: films may have changed again.
        """
        with self.connection:
            yesterday = iso_time(datetime.now(UTC) - timedelta(days=1))
            self.connection.execute("delete from refreshes where began_at < ?", (yesterday,))
            self.connection.execute("insert or ignore into refreshes values (?, ?)", (since, iso_time()))
        query = "select began_at from refreshes where since = ?"
        return str(self.connection.execute(query, (since,)).fetchone()[0])

    def end_refresh(self, since: str) -> None:
        """Forget a refresh that is finished."""
        with self.connection:
            self.connection.execute("delete from refreshes where since = ?", (since,))


@contextmanager
def open_ledger(directory: Path) -> Iterator[Ledger]:
    """The ledger of a directory of landed files, made where there is none."""
    path = directory / "ledger.sqlite"
    connection = sqlite3.connect(path)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.executescript(TABLES)
        ledger = Ledger(connection, directory)
        ledger.read_new_files()
        yield ledger
    except sqlite3.DatabaseError as error:
        raise CineFeastError(f"{path} cannot be used: {error}", f"rm {path}*; the landed files hold it all") from None
    finally:
        connection.close()


def row(answer: FilmAnswer) -> tuple[int, str, str | None, int, str]:
    """An answer as the table of films has it."""
    status = "document" if answer.status == "unchanged" else answer.status
    return answer.tmdb_id, status, answer.etag, answer.tries, answer.fetched_at


def signature(file: Path) -> tuple[str, int, int]:
    """What changes when a file does."""
    status = file.stat()
    return file.name, status.st_size, status.st_mtime_ns


def answers(file: Path, landed_at: str) -> Iterator[FilmAnswer]:
    """The answers of a landed file; lines that name no film are left to dbt, which rejects them."""
    found = (FilmAnswer.of_line(line, landed_at) for line in landed_lines(file))
    return (answer for answer in found if answer is not None)
