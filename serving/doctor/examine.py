"""`cinefeast doctor`: the checks in the order of the chain. Whatever is broken, the rest is still looked at."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from dbt_project.workspace import Workspace
from serving.config import export
from serving.doctor import resources
from serving.doctor.ahead import MEND, ahead_check
from serving.doctor.artifacts import TRAIN, artifacts_check, learned_check, model_files, reports_check
from serving.doctor.checks import Check, Diagnosis
from serving.doctor.events import SERVE, events_check
from serving.doctor.landed import FETCH, landed_check, read_landed
from serving.doctor.online import materialized_check, online_check
from serving.doctor.registry import open_registry, registry_check
from serving.doctor.replayed import REPLAY, replay_check
from serving.doctor.settings import SETTINGS, settings_check
from serving.doctor.versions import INSTALL, versions
from serving.doctor.warehouse import (
    BUILD,
    Warehouse,
    ratings_check,
    read_warehouse,
    rows_check,
    waiting,
    warehouse_check,
)
from serving.features.reader import MATERIALIZE, feast_command

if TYPE_CHECKING:
    import pyarrow as pa


def examine(space: Workspace) -> Diagnosis:
    """Look at a workspace; nothing in it is written. Feast's own prints go to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        return diagnose(space)


def diagnose(space: Workspace) -> Diagnosis:
    """The checks, each with what the ones before it found."""
    found = Diagnosis()
    apply, materialize = feast_command("apply"), feast_command(MATERIALIZE)
    found.run("versions", INSTALL, versions)
    found.run("settings", SETTINGS, settings_check)
    landed = found.attempt("landed", FETCH, read_landed, space)
    found.run("disk", f"du -sh {space.root}/*", resources.disk, space, landed)
    found.run("memory", export(resources.LIMIT), resources.memory, space, landed)
    if landed:
        found.run("landed", FETCH, landed_check, landed)
    warehouse = found.attempt("warehouse", BUILD, read_warehouse, space)
    if warehouse:
        found.run("warehouse", BUILD, warehouse_check, space, landed, warehouse)
        found.run("rows", BUILD, rows_check, warehouse)
        found.run("freshness", BUILD, ratings_check, warehouse)
    store = found.attempt("registry", apply, open_registry, space)
    online = None
    if store:
        found.run("registry", apply, registry_check, store)
        online = found.attempt("online", materialize, online_check, store, space, warehouse)
        found.checks += [online] if online else []
    else:
        found.checks.append(Check("online", "warn", "not checked: registry comes first", found.checks[-1].next))
    if online:
        found.run("ahead", MEND, ahead_check, store)
    found.run("events", SERVE, events_check, space)
    if store and warehouse:
        found.run("materialized", materialize, materialized_check, store, warehouse)
    if online and warehouse:
        check_features(found, store, warehouse, waiting(space))
    else:
        missing = "online" if store and warehouse else "warehouse" if store else "registry"
        before = next(check for check in found.checks if check.name == missing)
        found.checks.append(Check("features", "warn", f"not checked: {missing} comes first", before.next))
    found.run("replay", REPLAY, replay_check, space)
    found.run("artifacts", TRAIN, artifacts_check, space, store, warehouse)
    if model_files(space):
        found.run("learned", TRAIN, learned_check, space)
    found.run("reports", TRAIN, reports_check, space)
    return found


def check_features(found: Diagnosis, store: Any, warehouse: Warehouse, ahead: "pa.Table") -> None:
    """What is served against what was learned from."""
    from serving.doctor.features import drift_check, feature_checks, nulls_check, served_check

    features = found.attempt("features", feast_command(MATERIALIZE), feature_checks, store, warehouse, ahead)
    if features is not None:
        found.features += features
        found.checks += [nulls_check(features), served_check(features), drift_check(features)]
