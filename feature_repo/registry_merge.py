"""What two commands have each made of one registry, put together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from feast.protos.feast.core.Registry_pb2 import Registry

NAMES = ("project", "project_id", "name", "feature_view_name", "version_number")
"""Fields that tell one object of a kind from another, in the object or in its spec."""

Objects = Mapping[tuple[object, ...], Any]


def merged(base: Registry, theirs: Registry, mine: Registry) -> Registry:
    """`base` with the changes of both. What either deleted is gone; where both changed the same, mine stands."""
    found = copy_of(mine)
    for field in Registry.DESCRIPTOR.fields:
        if field.is_repeated:
            put_together((base, theirs, mine), found, field.name)
    if any(one.HasField("feature_view_version_history") for one in (theirs, mine)):
        histories = [one.feature_view_version_history for one in (base, theirs, mine)]
        put_together(histories, found.feature_view_version_history, "records")
    if mine.infra == base.infra:
        found.infra.CopyFrom(theirs.infra)
    return found


def copy_of(message: Any) -> Any:
    """Another message with the same content."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def put_together(three: Sequence[Any], found: Any, field: str) -> None:
    """Set a field of `found` that holds objects to what the three make of it: base, theirs, mine."""
    by_name = [{name_of(item): item for item in getattr(one, field)} for one in three]
    items = list(objects(*by_name))
    found.ClearField(field)
    getattr(found, field).extend(items)


def name_of(item: Any) -> tuple[object, ...]:
    """What an object is known by among those of its kind."""
    named = item.spec if "spec" in item.DESCRIPTOR.fields_by_name else item
    return tuple(getattr(named, name) for name in NAMES if name in named.DESCRIPTOR.fields_by_name)


def objects(base: Objects, theirs: Objects, mine: Objects) -> Iterator[Any]:
    """The objects of one kind."""
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        old, other, own = base.get(name), theirs.get(name), mine.get(name)
        if other is not None and own is not None:
            yield both(old, other, own)
        elif old is None:
            yield own if other is None else other


def both(old: Any, other: Any, own: Any) -> Any:
    """An object that both have: who changed it, or of its spec and each of its notes."""
    if old is None or other == old:
        return own
    if own == old:
        return other
    found = copy_of(own)
    if "spec" in own.DESCRIPTOR.fields_by_name and own.spec == old.spec:
        found.spec.CopyFrom(other.spec)
    if "meta" in own.DESCRIPTOR.fields_by_name:
        noted(old.meta, other.meta, own.meta, found.meta)
    return found


def noted(old: Any, other: Any, own: Any, found: Any) -> None:
    """Set the notes of an object: when it was changed, its state, the ranges that were materialized by either."""
    given = {field.name: value for field, value in other.ListFields()}
    for field in own.DESCRIPTOR.fields:
        before, there, here = (getattr(one, field.name) for one in (old, other, own))
        if field.is_repeated:
            getattr(found, field.name).extend(item for item in there if item not in before and item not in here)
        elif here == before:
            found.ClearField(field.name)
            if field.name in given:
                found.MergeFrom(type(found)(**{field.name: there}))
