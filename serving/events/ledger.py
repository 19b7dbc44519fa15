"""Which events were accepted, by id, and which of them the online features do not know yet: one SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.schemas.events import Event

TABLE = "create table if not exists accepted (event_id text primary key, waiting text) without rowid"
INDEX = "create index if not exists waiting on accepted (event_id) where waiting is not null"


class Ledger:
    """Shared by the workers of a workspace; of each it belongs to one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        for line in ("pragma journal_mode = wal", "pragma synchronous = full", TABLE, INDEX):
            self._connection.execute(line)

    def accept(self, events: Sequence[Event], land: Callable[[list[Event]], None]) -> list[Event]:
        """Land those that are new, then note them; returns them.

        One worker at a time. Killed between the two, they are landed and were not acknowledged: sent again they are
        landed again, and the next dbt build takes the first.
        """
        self._connection.execute("begin immediate")
        try:
            new = [event for event in events if self._add(event)]
            if new:
                land(new)
            self._connection.execute("commit")
        except BaseException:
            self._connection.execute("rollback")
            raise
        return new

    def _add(self, event: Event) -> bool:
        body = event.model_dump_json()
        added = self._connection.execute("insert or ignore into accepted values (?, ?)", (event.event_id, body))
        return added.rowcount == 1

    def waiting(self, most: int) -> list[Event]:
        """Events that the online features do not know yet."""
        rows = self._connection.execute("select waiting from accepted where waiting is not null limit ?", (most,))
        return [Event.model_validate(json.loads(body)) for (body,) in rows]

    def is_online(self, events: Sequence[Event]) -> None:
        """Note that the online features know of them now."""
        self._connection.execute("begin immediate")
        rows = [(event.event_id,) for event in events]
        self._connection.executemany("update accepted set waiting = null where event_id = ?", rows)
        self._connection.execute("commit")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
