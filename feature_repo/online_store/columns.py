"""Online features as Arrow columns, from the stores of this room.

`get_online_features` answers the same, value for value, but works out the views of each request anew and copies every
value through a response of its own, which is most of the time for one user and for many films alike.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from feast import FeatureStore, FeatureView, RepoConfig
from feast.feature_view_projection import FeatureViewProjection
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.types import from_feast_to_pyarrow_type

KINDS = ("int64", "int32", "double", "float", "string", "bool")
PLAIN, LISTS = {f"{kind}_val" for kind in KINDS}, {f"{kind}_list_val" for kind in KINDS}
"""Kinds of Feast's Value that are in Python what they are."""
Wanted = Sequence[tuple[FeatureView, list[str]]]
"""Views of one entity, and which of their features."""
Stored = list[bytes | None]
"""A feature of each key as Feast's serialized Value, None where there is none."""


class ColumnStore(Protocol):
    """An online store that hands out what it has as it is."""

    def read_stored(self, config: RepoConfig, wanted: Wanted, keys: Sequence[EntityKey]) -> list[Stored]:
        """A column for each feature that is wanted, in their order."""
        ...


def arrow_fields(view: FeatureView | FeatureViewProjection) -> dict[str, pa.Field]:
    """The Arrow field of each feature by reference `view:feature`."""
    return {
        f"{view.name}:{feature.name}": pa.field(feature.name, from_feast_to_pyarrow_type(feature.dtype))
        for feature in view.features
    }


class ColumnReader:
    """Features of one entity, by the registry as it was when this was made. As thread-safe as its store."""

    def __init__(self, store: FeatureStore, key: str, fields: Mapping[str, pa.Field]) -> None:
        """`key` is a join key of whole numbers; `fields` has the Arrow field of each reference `view:feature`."""
        self._config = store.config
        self._store: ColumnStore = store._get_provider().online_store
        names: dict[str, list[str]] = {}
        for reference in fields:
            view, name = reference.split(":")
            names.setdefault(view, []).append(name)
        self._wanted = [(store.get_feature_view(view), some) for view, some in names.items()]
        self._names = [key, *(name for some in names.values() for name in some)]
        self._type = pa.struct([pa.field(key, pa.int64()), *fields.values()])

    def __call__(self, ids: Sequence[int]) -> pa.Table:
        """The key and the features (n, 1 + f), all features null for a key that is not stored."""
        keys = [EntityKey(join_keys=self._names[:1], entity_values=[Value(int64_val=one)]) for one in ids]
        columns = self._store.read_stored(self._config, self._wanted, keys)
        values = zip(ids, *map(decoded, columns), strict=True)
        rows = [dict(zip(self._names, row, strict=True)) for row in values]
        # In one call, as one a column takes twice the time for one user. The types are the registry's: of a column
        # with nulls only, the values know none.
        return pa.Table.from_struct_array(pa.array(rows, self._type))


def decoded(column: Stored) -> list[object]:
    """A column's values in Python, as Feast takes them out of its messages."""
    return [None if value is None else taken(Value.FromString(value)) for value in column]


def taken(value: Value) -> object:
    """Feast asks for some twenty rare kinds of values before it takes a number."""
    kind = value.WhichOneof("val")
    if kind in PLAIN:
        return getattr(value, kind)
    if kind in LISTS:
        return list(getattr(value, kind).val)
    return feast_value_type_to_python_type(value)
