"""What no online store keeps: rows of users who were erased, whoever writes them."""

import logging
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
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
    _tell(len(rows) - len(kept))
    return kept


def without_erased_users(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same of columns."""
    if KEY not in batch.schema.names or not (erased := erased_users(workspace().events)):
        return batch
    kept = batch.filter(pc.invert(pc.is_in(batch[KEY], pa.array(list(erased), pa.int64()))))
    _tell(batch.num_rows - kept.num_rows)
    return kept


def _tell(count: int) -> None:
    if count:
        log.warning("%d rows of erased users are left out; next: dbt build", count)


def user_key(user_id: int) -> EntityKey:
    """A user's key in an online store."""
    return EntityKey(join_keys=[KEY], entity_values=[Value(int64_val=user_id)])


def film_key(movie_id: int) -> EntityKey:
    """A film's key in an online store."""
    return EntityKey(join_keys=["movie_id"], entity_values=[Value(int64_val=movie_id)])
