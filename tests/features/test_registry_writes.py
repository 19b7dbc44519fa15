"""Two commands that write the registry at the same time lose nothing of each other's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.feature_view import FeatureViewState
from feast.infra.registry.registry import Registry
from feast.repo_config import RegistryConfig
from feast.types import Int64

from tests.commands import FORKS

PROJECT = "p"
KIND = "feature_repo.registry_store.AtomicFileRegistryStore"
DAY = datetime(2016, 4, 1, tzinfo=UTC)
MANY = 20


def opened(path: Path) -> Registry:
    """The registry, as a command opens it."""
    return Registry(PROJECT, RegistryConfig(path=str(path), registry_store_type=KIND), path.parent)


def entity(name: str) -> Entity:
    return Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.INT64)


def view() -> FeatureView:
    source = FileSource(path="none.parquet", timestamp_field="event_timestamp")
    schema = [Field(name=name, dtype=Int64) for name in ("user_id", "value")]
    return FeatureView(name="state", entities=[entity("user")], schema=schema, source=source)


def names(path: Path) -> set[str]:
    return {one.name for one in opened(path).list_entities(PROJECT)}


def apply_many(path: Path, mine: str, together: Any) -> None:
    """A command of its own process: entities one by one, and then some at once."""
    registry = opened(path)
    together.wait()
    for number in range(MANY):
        registry.apply_entity(entity(f"{mine}{number}"), PROJECT)
    for number in range(MANY, 2 * MANY):
        registry.apply_entity(entity(f"{mine}{number}"), PROJECT, commit=False)
    registry.commit()


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path, together = tmp_path / "registry.db", FORKS.Barrier(2)
    commands = [FORKS.Process(target=apply_many, args=(path, mine, together)) for mine in ("a", "b")]
    for command in commands:
        command.start()
    for command in commands:
        command.join()
    assert [command.exitcode for command in commands] == [0, 0]
    assert names(path) >= {f"{mine}{number}" for mine in ("a", "b") for number in range(2 * MANY)}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Registry, Registry, Path]:
    """Two commands that have read the same registry, and its file."""
    path = tmp_path / "registry.db"
    first = opened(path)
    for name in ("user", "old"):
        first.apply_entity(entity(name), PROJECT)
    first.apply_feature_view(view(), PROJECT)
    return opened(path), opened(path), path


def test_an_apply_goes_on_where_another_command_writes(two: tuple[Registry, Registry, Path]) -> None:
    """What was applied and is not written yet is not lost when the registry is read anew in between."""
    ours, theirs, path = two
    ours.apply_entity(entity("one"), PROJECT, commit=False)
    theirs.apply_entity(entity("other"), PROJECT)
    ours.refresh(PROJECT)
    ours.apply_entity(entity("two"), PROJECT, commit=False)
    ours.commit()
    assert names(path) >= {"user", "old", "one", "two", "other"}


def test_what_is_deleted_stays_deleted(two: tuple[Registry, Registry, Path]) -> None:
    ours, theirs, path = two
    ours.delete_entity("old", PROJECT, commit=False)
    theirs.apply_entity(entity("new"), PROJECT)
    ours.commit()
    theirs.apply_entity(entity("newer"), PROJECT, commit=False)
    theirs.commit()
    assert names(path) >= {"user", "new", "newer"}
    assert "old" not in names(path)


def test_a_view_that_both_change_keeps_both_changes(two: tuple[Registry, Registry, Path]) -> None:
    """One materializes it, one materializes another range, one describes it otherwise."""
    ours, theirs, path = two
    third = opened(path)
    for registry, days in ((ours, 1), (theirs, 2)):
        start = DAY + timedelta(days=days)
        registry.apply_materialization(view(), PROJECT, start, start + timedelta(days=1), commit=False)
    other = view()
    other.description = "otherwise"
    third.apply_feature_view(other, PROJECT, commit=False)
    for registry in (ours, theirs, third):
        registry.commit()
    found = opened(path).get_feature_view("state", PROJECT)
    assert found.description == "otherwise"
    assert sorted(start for start, _ in found.materialization_intervals) == [DAY + timedelta(days=n) for n in (1, 2)]
    assert found.state == FeatureViewState.AVAILABLE_ONLINE
