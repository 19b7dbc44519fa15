"""Rows online that are of a moment to come: nothing replaces them until then. No door takes such events any more."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from feast.protos.feast.types.EntityKey_pb2 import EntityKey

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

TOLERANCE = timedelta(days=1)
"""Clocks differ; a row that is ahead by less is replaced soon."""


def rows_ahead(store: "FeatureStore") -> list[tuple["FeatureView", list[EntityKey]]]:
    """Each view that has such rows, and their keys."""
    place, moment = store._get_provider().online_store, datetime.now(UTC) + TOLERANCE
    by_key: dict[str, list[FeatureView]] = {}
    for view in store.list_feature_views():
        if view.online and view.enabled:
            by_key.setdefault(str(view.join_keys), []).append(view)
    found = [pair for views in by_key.values() for pair in place.ahead(store.config, views, moment)]
    return [(view, keys) for view, keys in found if keys]


def let_go(store: "FeatureStore") -> int:
    """Let the next materialize replace the rows; how many there were."""
    found = rows_ahead(store)
    for view, keys in found:
        store._get_provider().online_store.undate(store.config, [view], keys)
    return sum(len(keys) for _, keys in found)
