"""Whose events were accepted when, in an open ledger: what a user may ask for, and what is forgotten."""

import sqlite3
import time
from typing import Any

RECEIPTS = (
    "create table receipts (event_id text primary key, user_id integer, accepted_at real) without rowid",
    "create index receipts_of_user on receipts (user_id)",
    "create index receipts_by_age on receipts (accepted_at)",
    # what an older version accepted: whose it was is not known, and it is taken to be of now
    "insert into receipts select event_id, null, cast(strftime('%s', 'now') as real) from accepted",
)
OF_USER = """
select event_id from receipts where user_id = ?1
union select event_id from accepted where waiting is not null
    and case when json_valid(waiting) then json_extract(waiting, '$.user_id') end = ?1
union select event_id from set_aside where case when json_valid(body) then json_extract(body, '$.user_id') end = ?1
"""


def note(connection: sqlite3.Connection, event_id: str, user_id: int) -> None:
    """Write down whose event was accepted now."""
    connection.execute("insert or replace into receipts values (?, ?, ?)", (event_id, user_id, time.time()))


def of_user(connection: sqlite3.Connection, user_id: int) -> list[dict[str, Any]]:
    """Every row that the ledger has of a user, by the event's id."""
    query = f"""
        select event_id, datetime(accepted_at, 'unixepoch') as accepted_at, coalesce(waiting, body) as waiting, reason
        from ({OF_USER})
        left join accepted using (event_id) left join receipts using (event_id) left join set_aside using (event_id)
        order by event_id
    """
    names = ("event_id", "accepted_at", "waiting", "reason")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query, (user_id,)).fetchall()]


def forget_user(connection: sqlite3.Connection, user_id: int) -> None:
    """Delete every row of a user; within a transaction."""
    event_ids = connection.execute(OF_USER, (user_id,)).fetchall()
    for table in ("accepted", "set_aside", "receipts"):
        connection.executemany(f"delete from {table} where event_id = ?", event_ids)


def forget_done(connection: sqlite3.Connection, before: float) -> int:
    """Delete the ids of events that were accepted before that moment, in seconds since 1970, and wait for nothing.

    How many were deleted; within a transaction.
    """
    old = "select event_id from receipts where accepted_at < ?"
    deleted = connection.execute(
        f"delete from accepted where waiting is null and event_id in ({old})"
        " and event_id not in (select event_id from set_aside)",
        (before,),
    ).rowcount
    left = "select 1 from accepted where accepted.event_id = receipts.event_id"
    connection.execute(f"delete from receipts where accepted_at < ? and not exists ({left})", (before,))
    return deleted
