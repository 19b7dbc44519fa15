"""Who was erased: a tombstone a user, which keeps out for good what is still sent of them.

raw/events/erased_user/users.jsonl     a line a user, appended and fsynced: whoever writes looks at it first
raw/events/erased_user/users.parquet   the same as the last build or erasure found it: dbt reads it
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import LANDED_AT

ERASED = "erased_user"
"""The folder below raw/events."""
LINES, SNAPSHOT = "users.jsonl", "users.parquet"


class ErasedUserError(CineFeastError):
    """Something of a user who was erased: it is never taken."""

    def __init__(self, user_id: int) -> None:
        super().__init__(f"user {user_id} was erased; nothing was taken", "leave this user out: docs/privacy.md")


def erased_users(events: Path) -> Mapping[int, datetime]:
    """Each erased user and when that was, UTC, below the folder raw/events. It is read again once it has grown.

    CineFeastError where it cannot be read: then nobody knows who was erased.
    """
    file = events / ERASED / LINES
    try:
        status = file.stat()
    except FileNotFoundError:
        return MappingProxyType({})
    return _read(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(file: Path, *stamp: int) -> Mapping[int, datetime]:
    whole = file.read_bytes().rpartition(b"\n")[0]  # the rest is being written, or was by one who was killed
    try:
        rows = [json.loads(line) for line in whole.splitlines()]
        return MappingProxyType({int(row["user_id"]): datetime.fromisoformat(row[LANDED_AT]) for row in rows})
    except (ValueError, KeyError, TypeError) as error:
        raise CineFeastError(f"{file} is no list of erased users: {error!r}", f"mend the lines of {file}") from None


def refuse_erased(events: Path, user_ids: Iterable[int]) -> None:
    """ErasedUserError naming the first of the users who was erased."""
    if erased := erased_users(events):
        for user_id in user_ids:
            if user_id in erased:
                raise ErasedUserError(user_id)
