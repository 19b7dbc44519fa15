"""What is old is let go of by a server that runs: files of logged features, and ids of accepted events."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from serving.config import settings
from serving.events.ledger import Ledger
from serving.monitoring.retention import remove_old_logs
from serving.schemas.events import Event
from tests.serving.servers import served, wait_for

DAY = 86_400
KEEP = {"CINEFEAST_KEEP_LOGS_DAYS": "30", "CINEFEAST_KEEP_ACCEPTED_DAYS": "30"}


def logged(folder: Path, days: float, is_named: bool = True) -> Path:
    """A file of logged features that was written so many days ago, by its name or else by its date."""
    at = datetime.now(UTC) - timedelta(days=days)
    file = folder / (f"{at:%Y%m%dT%H%M%S.%f}-0123abcd.parquet" if is_named else f"old-{days}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"user_id": [1]}), file)
    if not is_named:
        os.utime(file, (at.timestamp(), at.timestamp()))
    return file


def accepted(path: Path, **days: float) -> None:
    """Events, by id, that were accepted so many days ago."""
    with closing(Ledger(path)) as ledger:
        ledger.accept([Event(event_id=name, kind="hide", user_id=1, movie_id=1) for name in days], lambda events: None)
        if done := [name for name in days if not name.startswith("waits")]:
            ledger.are_online([Event(event_id=name, kind="hide", user_id=1, movie_id=1) for name in done])
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(time.time() - ago * DAY, name) for name, ago in days.items()]
        connection.executemany("update receipts set accepted_at = ? where event_id = ?", rows)


def ids(path: Path, table: str = "accepted") -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute(f"select event_id from {table}")}


def test_a_server_lets_go_of_what_is_old(copied: Path) -> None:
    logs, ledger = copied / "feast" / "logs" / "served_v1", copied / "raw" / "events" / "accepted.db"
    old, young = logged(logs, 31), logged(logs, 29)
    accepted(ledger, old=31, young=29)
    with served(copied, **KEEP):
        wait_for(lambda: not old.exists(), "the old log is removed")
        wait_for(lambda: ids(ledger) == {"young"}, "the old id is forgotten")
        assert young.exists()


def test_a_file_is_as_old_as_its_name_says(tmp_path: Path) -> None:
    """Copying a workspace makes no log young again."""
    files = {
        "old": logged(tmp_path / "a", 91), "young": logged(tmp_path / "a", 89),
        "old, without a moment": logged(tmp_path / "b", 92, is_named=False),
        "young, without a moment": logged(tmp_path / "b", 88, is_named=False),
    }  # fmt: skip
    os.utime(files["young"], (0, 0))
    assert remove_old_logs(tmp_path, 90) == 2
    assert [name for name, file in files.items() if file.exists()] == ["young", "young, without a moment"]


def test_what_waits_is_kept_however_old(tmp_path: Path) -> None:
    path = tmp_path / "accepted.db"
    accepted(path, done=100, young=1, waits=100)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("insert into accepted values ('set aside', null)")
        connection.execute("insert into set_aside values ('set aside', '{}', 'cannot be read')")
        connection.execute("insert into receipts values ('set aside', 1, 0)")
    before = time.time() - 90 * DAY
    with closing(Ledger(path)) as ledger:
        assert ledger.forget_done(before) == 1
        assert ids(path) == ids(path, "receipts") == {"young", "waits", "set aside"}
        assert ledger.forget_done(before) == 0


def test_what_an_older_version_accepted_is_of_when_it_was_found(tmp_path: Path) -> None:
    path = tmp_path / "accepted.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table accepted (event_id text primary key, waiting text) without rowid")
        connection.execute("insert into accepted values ('old', null)")
    for _ in range(2):
        with closing(Ledger(path)) as ledger:
            assert ledger.forget_done(time.time() - 90 * DAY) == 0
            assert ids(path) == ids(path, "receipts") == {"old"}
    with closing(Ledger(path)) as ledger:
        assert ledger.forget_done(time.time() + DAY) == 1
        assert ids(path) == ids(path, "receipts") == set()


@pytest.mark.parametrize("name", KEEP)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "ever"])
def test_a_wrong_number_of_days_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CineFeastError, match=f"{name}='{value}' is no number of days; next: export {name}=90"):
        settings()
