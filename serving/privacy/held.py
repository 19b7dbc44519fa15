"""Everything that is held about one user, as one JSON object."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.events.read import read_all
from dbt_project.events.schemas import FEEDBACK, RATINGS, SCHEMAS
from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from serving.config import REDIS, text_of
from serving.events.ledger import Ledger
from serving.features.reader import ONLINE_ERRORS, fail_fast, unavailable
from serving.features.user_vectors import kept_vectors

if TYPE_CHECKING:
    from feast import FeatureStore

FACTS = {"ratings": "fct_ratings", "tags": "fct_tags", "feedback": "fct_feedback"}
LANDED = {"ratings": RATINGS, "feedback": FEEDBACK}


def held(space: Workspace, user_id: int) -> dict[str, Any]:
    """What there is, place by place. CineFeastError where there is nothing, or a place cannot be read."""
    warehouse, taken_in = in_warehouse(space, user_id)
    found = {
        "warehouse": warehouse,
        "landed": {name: not_built(space, kind, user_id, taken_in.get(name, [])) for name, kind in LANDED.items()},
        "ledger": in_ledger(space, user_id),
        "online": online(space, user_id),
        "served": [row for file in logged(space) for row in rows_of(file, user_id)],
        "vectors": count_vectors(user_id),
    }
    if not is_any(found):
        at = erased_users(space.events).get(user_id)
        since = f", who was erased on {at:%Y-%m-%d %H:%M} UTC" if at else ""
        raise CineFeastError(f"nothing is held about user {user_id}{since}", "cinefeast user export ID of another")
    return {"user_id": user_id, "exported_at": datetime.now(UTC), **found}


def is_any(value: Any) -> bool:
    """Whether there is anything in it, however deep."""
    if isinstance(value, dict):
        return any(map(is_any, value.values()))
    return bool(value)


def in_warehouse(space: Workspace, user_id: int) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The user's rows of the published warehouse, and the landed files that it has taken in, by kind of event."""
    if not space.warehouse.exists():
        return {}, {}
    with open_warehouse(str(space.warehouse)) as connection:

        def rows(query: str, *values: object) -> list[dict[str, Any]]:
            return list(connection.execute(query, list(values)).to_arrow_table().to_pylist())

        facts = {
            name: rows(f"select * exclude (user_id) from core.{table} where user_id = ? order by all", user_id)
            for name, table in FACTS.items()
        }
        profile = rows(  # the zip code is in no mart
            "select dim.*, landed.zip_code from core.dim_users as dim"
            " left join intermediate.int_users_checked as landed on dim.user_id = landed.user_id"
            " and landed.reason is null where dim.user_id = ?",
            user_id,
        )
        rejected = rows(
            "select source, reason, raw from core.rejected_rows"
            " where source in ('ratings', 'tags', 'users', 'feedback')"
            " and split_part(raw, ' | ', if(source = 'feedback', 2, 1)) = ? order by all",
            str(user_id),
        )
        files = rows("select source, list(landed_file) as files from reporting.rpt_landed_files group by source")
    taken_in = {row["source"]: row["files"] for row in files}
    return {"profile": profile, **facts, "rejected": rejected}, taken_in


def not_built(space: Workspace, kind: str, user_id: int, taken_in: list[str]) -> list[dict[str, Any]]:
    """The user's landed events that the warehouse does not have yet."""
    rows = read_all(space.events / kind, SCHEMAS[kind], without=set(taken_in))
    return list(rows.filter(pc.equal(rows["user_id"], user_id)).select(SCHEMAS[kind].names).to_pylist())


def in_ledger(space: Workspace, user_id: int) -> list[dict[str, Any]]:
    """Which of the user's events were accepted, and what is still to be put online of them."""
    path = space.events / "accepted.db"
    if not path.exists():
        return []
    with closing(Ledger(path)) as ledger:
        return ledger.of_user(user_id)


def online_store(space: Workspace) -> "FeatureStore | None":
    """The feature store, None where nothing was ever materialized."""
    if not space.registry.exists() or not (text_of(REDIS) or space.online.exists()):
        return None
    from feature_repo.store import load_store

    return fail_fast(load_store())


def views_of(store: "FeatureStore", entity: str) -> list[Any]:
    """The views of an entity that are online."""
    return [view for view in store.list_feature_views() if view.online and view.entities == [entity]]


def online(space: Workspace, user_id: int) -> dict[str, dict[str, Any]]:
    """The user's online row of each view that has one."""
    from feature_repo.online_store.columns import ColumnReader, arrow_fields

    store = online_store(space)
    found = {}
    for view in views_of(store, "user") if store else ():
        try:
            [row] = ColumnReader(store, "user_id", arrow_fields(view))([user_id]).to_pylist()
        except ONLINE_ERRORS as error:
            raise unavailable(error) from error
        del row["user_id"]
        if any(value is not None for value in row.values()):
            found[view.name] = row
    return found


def count_vectors(user_id: int) -> int:
    """How many vectors of the user are kept for all workers."""
    try:
        return len(kept_vectors(user_id)) if text_of(REDIS) else 0
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error


def logged(space: Workspace) -> list[Path]:
    """Files of what was served, and of saved data sets."""
    files = [*space.logs.glob("*/*.parquet"), *space.datasets.glob("*.parquet")]
    return sorted(file for file in files if "user_id" in pq.read_schema(file).names)


def rows_of(file: Path, user_id: int) -> list[dict[str, Any]]:
    """The user's rows of a file."""
    return list(pq.read_table(file, filters=pc.field("user_id") == user_id).to_pylist())
