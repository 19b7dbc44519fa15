"""Erasing users from what was landed. Each step can be cut short and done again."""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbt_project.durable import remove_parts, written_aside
from dbt_project.events.append import append_lines, exclusive
from dbt_project.events.read import segments
from dbt_project.events.tombstones import ERASED, LINES, SNAPSHOT, erased_users
from dbt_project.workspace import Workspace


def mark_erased(space: Workspace, user_id: int) -> None:
    """Put a tombstone on disk; from then on nothing more of the user is landed."""
    folder = space.events / ERASED
    with exclusive(folder):
        if user_id not in erased_users(space.events):
            append_lines(folder / LINES, pa.table({"user_id": pa.array([user_id], pa.int64())}))


def write_snapshot(space: Workspace) -> list[int]:
    """Write down for dbt who is erased by now, and return it: under the build's lock, so that no build sees two."""
    remove_parts(space.events / ERASED)
    users = sorted(erased_users(space.events))
    table = pa.table({"user_id": pa.array(users, pa.int64())})
    file = space.events / ERASED / SNAPSHOT
    if not file.exists() or not pq.read_table(file).equals(table):
        with written_aside(file) as part:
            pq.write_table(table, part)
    return users


def snapshot(space: Workspace) -> list[int]:
    """Who was erased when `write_snapshot` looked."""
    file = space.events / ERASED / SNAPSHOT
    return list(pq.read_table(file)["user_id"].to_pylist()) if file.exists() else []


def remove_erased(folder: Path, users: Collection[int]) -> None:
    """Write those segments anew that have rows of these users, without them; the other rows stay where they were."""
    for file in segments(folder):
        remove_rows(file, users)


def remove_rows(file: Path, users: Collection[int]) -> None:
    """Leave the users' rows out of a file with a column user_id; it is written anew where it has any."""
    wanted = pa.array([str(user) for user in users], pa.string())
    # as text, as files of others have ids of many types
    is_theirs = pc.is_in(pq.read_table(file, columns=["user_id"])["user_id"].cast(pa.string()), value_set=wanted)
    if pc.any(is_theirs).as_py():
        rows = pq.read_table(file).filter(pc.invert(is_theirs))
        with written_aside(file) as part:
            pq.write_table(rows, part, compression="zstd")
