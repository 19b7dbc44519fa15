"""The third step: can this code read the registry, and does it hold what feature_repo defines?"""

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, Workspace
from serving.doctor.checks import Check, combined, listed
from serving.features.reader import fail_fast, feast_command
from serving.statistics.thresholds import MEMORY

if TYPE_CHECKING:
    from feast import FeatureStore

SCHEMA_VERSION = "1"


def open_registry(space: Workspace) -> "FeatureStore":
    """The feature store, with or without a warehouse. CineFeastError where its registry is missing or unreadable."""
    path = space.registry
    apply = feast_command("apply")
    if not path.exists():
        raise CineFeastError(f"missing: no Feast registry at {path}", apply)
    aside = f"mv {path} {path}.old && {apply}"
    from feast import FeatureStore, __version__
    from feast.protos.feast.core.Registry_pb2 import Registry
    from google.protobuf.message import DecodeError

    from feature_repo.store import REPOSITORY, yaml_file

    try:
        registry = Registry.FromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise CineFeastError(f"{path} is no Feast registry: {error}", aside) from None
    if registry.registry_schema_version not in ("", SCHEMA_VERSION) or has_unknown_fields(registry):
        raise CineFeastError(
            f"{path} was written by a newer Feast than {__version__}", f"pip install -U feast, or {aside}"
        )
    os.environ[VARIABLE] = str(space.root)  # the yaml expands it
    store = fail_fast(FeatureStore(repo_path=str(REPOSITORY), fs_yaml_file=yaml_file()))
    store.config.offline_store.memory_limit = MEMORY
    try:
        store.list_all_feature_views()
        store.list_feature_services()
    except Exception as error:  # a class or an option that this code does not have: each has its own exception
        why = error.what if isinstance(error, CineFeastError) else f"{type(error).__name__}: {error}"
        raise CineFeastError(f"{path} holds what this code cannot read: {why}", f"git pull, or {aside}") from None
    return store


def has_unknown_fields(message: Any) -> bool:
    """Whether a protobuf message, at any depth, holds a field that its definition does not have."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [item for item in value.values() if hasattr(item, "ListFields")]
        else:
            inner = list(value) if field.is_repeated else [value]
        if any(has_unknown_fields(item) for item in inner):
            return True
    return False


def registry_check(store: "FeatureStore") -> Check:
    """What `feast plan` would say of feature_repo against the registry; CineFeastError where events cannot renew it."""
    from feast.diff.property_diff import TransitionType

    from feature_repo.renewed import check_renewed

    check_renewed(store.list_batch_feature_views())
    new: list[str] = []
    changed: list[str] = []
    gone: list[str] = []
    for difference in planned(store):
        name = f"{difference.feast_object_type.value} {difference.name}"
        if difference.transition_type == TransitionType.CREATE:
            new.append(name)
        elif difference.transition_type == TransitionType.DELETE:
            gone.append(name)
        elif any(meant(p.val_existing) != meant(p.val_declared) for p in difference.feast_object_property_diffs):
            changed.append(name)
    apply = feast_command("apply")
    findings = []
    if gone:
        what = f"it holds what this code does not define: {listed(gone)}"
        findings.append(Check("", "wrong", what, f"git pull if the code is older, else {apply}"))
    if new or changed:
        parts = [f"{word} {listed(names)}" for word, names in (("new", new), ("changed", changed)) if names]
        findings.append(Check("", "wrong", f"stale: in the code are {', '.join(parts)}", apply))
    services = len(store.list_feature_services())
    return combined("registry", findings, f"fresh: {services} services, as the code defines them")


def planned(store: "FeatureStore") -> list[Any]:
    """Feast's own list of differences, of what feature_repo defines now. Nothing is written."""
    from feast.diff.registry_diff import diff_between
    from feast.repo_operations import parse_repo

    from feature_repo.store import REPOSITORY

    with contextlib.chdir(REPOSITORY):  # Feast imports the definitions by bare name, relative to here
        sys.path.insert(0, str(REPOSITORY))
        try:
            repo = parse_repo(REPOSITORY)
        finally:
            sys.path.remove(str(REPOSITORY))
        # FeatureStore.plan is these two calls and one more, which would make an online store where there is none
        store._make_inferences(
            repo.data_sources,
            repo.entities,
            repo.feature_views,
            repo.on_demand_feature_views,
            repo.stream_feature_views,
            repo.feature_services,
            repo.label_views,
        )
        found = diff_between(store.registry, store.project, repo)
    return [difference for difference in found.feast_object_diffs if difference.name not in ("__dummy", store.project)]


def meant(value: Any) -> Any:
    """A property without the times at which Feast noted it."""
    if not hasattr(value, "DESCRIPTOR") or "meta" not in value.DESCRIPTOR.fields_by_name:
        return value
    copy = type(value)()
    copy.CopyFrom(value)
    copy.ClearField("meta")
    return copy
