"""Servers on copies of the workspace that `cinefeast demo` built: one on SQLite, one on a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dbt_project.workspace import Workspace
from tests.conftest import Demo, OnRedis, copy_of
from tests.serving.servers import KEYS, served

__all__ = ["Demo"]


@pytest.fixture
def copied(demo: Demo, tmp_path: Path) -> Path:
    """A workspace of the test's own."""
    return copy_of(demo.root, tmp_path / "workspace")


@pytest.fixture(scope="module")
def workspace(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the module's own."""
    return copy_of(demo.root, tmp_path_factory.mktemp("module") / "workspace")


@pytest.fixture(scope="module")
def on_sqlite(workspace: Path) -> Iterator[httpx.Client]:
    """A client of a server whose online store is SQLite, started as it is typed."""
    with served(workspace, typed=True) as client:
        yield client


@pytest.fixture(scope="module")
def on_redis(redis_demo: OnRedis) -> Iterator[httpx.Client]:
    """A client of a server whose online store is Redis, materialized from the same warehouse."""
    with served(redis_demo.root, REDIS_CONNECTION_STRING=redis_demo.server.address, **KEYS) as client:
        yield client


@pytest.fixture
def broken(untrained: Path) -> Workspace:
    """A copy of the untrained workspace, named by the environment, for a test of the doctor to break."""
    return Workspace(untrained)
