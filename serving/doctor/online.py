"""The fourth step: does the online store answer, and was it materialized from the warehouse that is published now?"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.offline_store.pull import within
from feature_repo.offline_store.sql import columns, quoted
from serving.config import REDIS, text_of
from serving.doctor.checks import Check, combined, listed
from serving.doctor.warehouse import BUILD, Warehouse, iso_time, opened
from serving.features.reader import MATERIALIZE, ONLINE_ERRORS, feast_command, unavailable

if TYPE_CHECKING:
    from feast import FeatureStore


SERVED = ("STATE_UNSPECIFIED", "AVAILABLE_ONLINE")
"""States of a view that Feast serves from; a materialize that is killed leaves another."""


def materialized_views(store: "FeatureStore") -> list[Any]:
    """The views that serving reads from the online store."""
    return [view for view in store.list_feature_views() if view.online and view.enabled]


def online_check(store: "FeatureStore", space: Workspace, warehouse: Warehouse | None) -> Check:
    """Wrong where the store does not answer, or a view was never or not wholly materialized, or from an older build."""
    again = feast_command(MATERIALIZE)
    if not text_of(REDIS) and not space.online.exists():
        raise CineFeastError(
            f"missing: no online store at {space.online}", f"{feast_command('apply')} && feast {MATERIALIZE}"
        )
    views = materialized_views(store)
    cut = [view.name for view in views if view.state.name not in SERVED]
    if cut:  # nothing to compare: Feast refuses to serve them, or serves some of each
        raise CineFeastError(f"being written now, or cut short: {listed(cut)}", again)
    probe(store, views)
    never = [view.name for view in views if not view.materialization_intervals]
    rest = [view for view in views if view.name not in never]
    older = [view.name for view in rest if warehouse and written(view) < warehouse.published]
    findings = []
    if never:
        findings.append(Check("", "wrong", f"missing: never materialized: {listed(never)}", again))
    if older:
        what = f"stale: materialized before the warehouse was published: {listed(older)}"
        findings.append(Check("", "wrong", what, again))
    last = max((written(view) for view in rest), default=0.0)
    return combined("online", findings, f"fresh: {len(views)} views materialized, {iso_time(last)}")


def written(view: Any) -> float:
    """When the view was last materialized or applied, in seconds since 1970; Feast keeps it as naive UTC."""
    return float(view.last_updated_timestamp.replace(tzinfo=UTC).timestamp())


def probe(store: "FeatureStore", views: list[Any]) -> None:
    """Read one key of each view. Raises OnlineStoreError where the store does not answer or lacks a table."""
    for view in views:
        key = {column.name: [-1] for column in view.entity_columns}
        try:
            store.get_online_features([f"{view.name}:{view.features[0].name}"], key)
        except ONLINE_ERRORS as error:
            raise unavailable(error) from error


def materialized_check(store: "FeatureStore", warehouse: Warehouse) -> Check:
    """Wrong where the latest row of a key lies outside the ranges that were materialized: it is not online."""
    findings = []
    ends = {}
    with opened(warehouse.path) as connection:
        for view in materialized_views(store):
            if not view.materialization_intervals:
                continue  # the online check says so
            keys, missing = missing_views(connection, view)
            ends[view.name] = max(end for _, end in view.materialization_intervals)
            if missing:
                what = f"{view.name}: the latest row of {missing:,} of {keys:,} keys lies outside what was materialized"
                findings.append(Check("", "wrong", what, feast_command(MATERIALIZE)))
    said = ", ".join(f"{name} to {end:%Y-%m-%d %H:%M}" for name, end in ends.items())
    return combined("materialized", findings, said or "nothing yet")


def missing_views(connection: duckdb.DuckDBPyConnection, view: Any) -> tuple[int, int]:
    """How many keys a view has, and how many of them have their latest row in no materialized range."""
    stamp = quoted(view.batch_source.timestamp_field)
    online = " or ".join(within("latest", start, end) for start, end in view.materialization_intervals)
    try:
        found = connection.sql(
            f"select count(*), count(*) filter (not ({online})) from ("
            f"select max({stamp}) as latest from {view.batch_source.get_table_query_string()} "
            f"where {within(view.batch_source.timestamp_field, None, datetime.now(UTC))} "
            f"group by {columns([column.name for column in view.entity_columns])})"
        ).fetchone()
    except duckdb.CatalogException as error:
        raise CineFeastError(f"{view.name}: {error}", BUILD) from error
    assert found is not None
    return found[0], found[1]
