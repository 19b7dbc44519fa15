"""Which features there are, by the keys that they are read by."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from dbt_project.errors import CineFeastError
from serving.doctor.warehouse import BUILD, Warehouse, opened

if TYPE_CHECKING:
    from feast import FeatureStore

LABELS = "training.training_labels"


@dataclass
class Group:
    """Features that are read together. `keys`: whom to sample first. `fields`: "view:feature" -> its Arrow type."""

    keys: tuple[str, ...]
    fields: dict[str, pa.DataType] = field(default_factory=dict)


def groups(store: "FeatureStore", warehouse: Warehouse) -> tuple[list[Group], dict[str, list[str]]]:
    """The features of every service in groups, each feature once; and the references of each service.

    What describes users is read for the same users as what describes a user and a film: one join instead of two.
    """
    from feature_repo.online_store.columns import arrow_fields

    keys = keys_of_views(store, label_columns(warehouse))
    found: dict[tuple[str, ...], Group] = {}
    services: dict[str, list[str]] = {}
    for service in sorted(store.list_feature_services(), key=lambda service: service.name):
        services[service.name] = []
        for view in service.feature_view_projections:
            if view.name not in keys:
                continue
            group = found.setdefault(keys[view.name], Group(keys[view.name]))
            fields = arrow_fields(view)
            group.fields |= {reference: field.type for reference, field in fields.items()}
            services[service.name].extend(fields)
    for group in list(found.values()):
        wider = next((other for keys, other in found.items() if len(keys) > 1 and keys[:1] == group.keys), None)
        if wider:
            wider.fields |= found.pop(group.keys).fields
    return list(found.values()), services


def label_columns(warehouse: Warehouse) -> list[str]:
    """The columns of the labels, from which keys are sampled."""
    with opened(warehouse.path) as connection:
        return connection.sql(f"select * from {LABELS} limit 0").columns


def keys_of_views(store: "FeatureStore", columns: list[str]) -> dict[str, tuple[str, ...]]:
    """The join keys of each view that serving reads, in the order of the labels: users before films.

    A view that is not served online, or that needs values of the request, has nothing to compare and is left out.
    """
    keys = {view.name: {c.name for c in view.entity_columns} for view in store.list_feature_views() if view.online}
    for view in store.list_on_demand_feature_views():
        sources = [source.name for source in view.source_feature_view_projections.values()]
        if not view.source_request_sources and all(source in keys for source in sources):
            keys[view.name] = {key for source in sources for key in keys[source]}
    unknown = {key for names in keys.values() for key in names} - set(columns)
    if unknown:
        raise CineFeastError(f"{LABELS} has no {', '.join(sorted(unknown))} to sample by", BUILD)
    return {view: tuple(column for column in columns if column in names) for view, names in keys.items()}
