"""Workspaces that several test files share, built once by the commands of the README."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import serving  # noqa: F401 - before Feast: see there
from tests.commands import build_features
from tests.fixtures import FixtureData, write_fixture
from tests.serving.servers import RedisServer


@dataclass(frozen=True)
class Built:
    """A workspace with a built warehouse and materialized features, and the made-up data it was built from."""

    root: Path
    data: FixtureData

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse" / "cinefeast.duckdb"


@pytest.fixture(scope="session")
def built_workspace(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything up to `feast materialize`, with SQLite as the online store. Read only."""
    root = tmp_path_factory.mktemp("built")
    data = write_fixture(tmp_path_factory.mktemp("archive"))
    build_features(root, data.archive, data.tmdb)
    return Built(root, data)


@pytest.fixture
def in_workspace(built_workspace: Built) -> Iterator[Built]:
    """The built workspace, named by the environment while the test runs."""
    before = {name: os.environ.get(name) for name in ("CINEFEAST_WORKSPACE", "REDIS_CONNECTION_STRING")}
    os.environ["CINEFEAST_WORKSPACE"] = str(built_workspace.root)
    os.environ.pop("REDIS_CONNECTION_STRING", None)
    yield built_workspace
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()
