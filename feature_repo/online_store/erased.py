"""What no online store keeps: rows of users who were erased, whoever writes them."""

import logging
from collections.abc import Sequence
from datetime import datetime

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import workspace

log = logging.getLogger("cinefeast.online")
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
KEY = "user_id"


def without_erased(rows: Sequence[Row]) -> list[Row]:
    """The rows but those of erased users: a warehouse that was built before still has some, and so has who pushes."""
    if not (erased := erased_users(workspace().events)):
        return list(rows)
    kept = [row for row in rows if list(row[0].join_keys) != [KEY] or row[0].entity_values[0].int64_val not in erased]
    if len(kept) < len(rows):
        log.warning("%d rows of erased users are left out; next: dbt build", len(rows) - len(kept))
    return kept


def user_key(user_id: int) -> EntityKey:
    """A user's key in an online store."""
    return EntityKey(join_keys=[KEY], entity_values=[Value(int64_val=user_id)])


def film_key(movie_id: int) -> EntityKey:
    """A film's key in an online store."""
    return EntityKey(join_keys=["movie_id"], entity_values=[Value(int64_val=movie_id)])
