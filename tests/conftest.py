"""The workspace that all tests share, built once a run by `cinefeast demo`, and the order in which files are tested."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

import serving  # noqa: F401 - before Feast: see there
from tests.commands import FORKS, IMPORTED, materialize, run
from tests.fixtures import FixtureData, write_fixture
from tests.order import in_order
from tests.serving.servers import RedisServer

TRAINED = ("artifacts", "samples", "reports", "runs")
"""What `cinefeast train` and what comes after it write in a workspace."""


@dataclass(frozen=True)
class Built:
    """A workspace with a built warehouse and materialized features, and the made-up data it was built from."""

    root: Path
    data: FixtureData

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse" / "cinefeast.duckdb"


@dataclass(frozen=True)
class Demo(Built):
    """A workspace after `cinefeast demo` on the made-up data, and what the demo printed."""

    output: str


@dataclass(frozen=True)
class OnRedis:
    """A workspace whose online store is Redis, and that Redis."""

    root: Path
    server: RedisServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, what needs no workspace while it is built."""
    items[:] = in_order(items)


def pytest_collection_finish() -> None:
    """What commands are forked from; set when all is imported, as the benches name other modules on import."""
    FORKS.set_forkserver_preload(list(IMPORTED))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def built_once(place: Path, build: Callable[[Path], None]) -> Path:
    """`place`, built by the first worker that asks for it; the others wait."""
    finished = place.with_suffix(".built")
    with FileLock(place.with_suffix(".lock")):
        if not finished.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            build(place)
            finished.touch()
    return place


def copy_of(workspace: Path, to: Path, *without: str) -> Path:
    """A workspace of the test's own, without what servers have logged, nor what is named."""
    ignored = shutil.ignore_patterns("logs", "*.log", *without)
    return shutil.copytree(workspace, to, symlinks=True, ignore=ignored)


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and when it was written."""
    found = ((path, path.lstat()) for path in root.rglob("*") if not path.is_dir())
    return {str(path.relative_to(root)): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


@pytest.fixture(scope="session")
def demo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The whole chain, on SQLite. Read only, which is checked at the end: all workers read it at the same time."""
    data = write_fixture(tmp_path_factory.mktemp("archive"))
    printed = shared / "demo.txt"

    def build(root: Path) -> None:
        files = ("--archive", str(data.archive), "--tmdb", str(data.tmdb))
        # two test workspaces never share dbt's compiled files
        dbt = {"DBT_TARGET_PATH": str(root / "dbt_target"), "DBT_LOG_PATH": str(root / "dbt_logs")}
        command = ("cinefeast", "demo", "--dataset", "ml-latest-small", *files)
        printed.write_text(run(root, *command, typed=True, REDIS_CONNECTION_STRING="", **dbt).stdout)

    root = built_once(shared / "demo", build)
    before = files_of(root)
    yield Demo(root, data, printed.read_text())
    assert files_of(root) == before, "a test has written to the workspace of all; copy it to change it"


@pytest.fixture(scope="session")
def built_workspace(demo: Demo) -> Built:
    """The same workspace, for tests that read nothing that was trained. Read only."""
    return demo


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


@pytest.fixture
def untrained(built_workspace: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the workspace as it is before the first `cinefeast train`, named by the environment."""
    root = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    return root


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis without data."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def in_redis(demo: Demo, shared: Path) -> Path:
    """A folder with the `workspace` as it is after `feast materialize` to Redis, and what Redis then saved."""

    def build(place: Path) -> None:
        root = copy_of(demo.root, place / "workspace", "online.db")
        server = RedisServer(place)
        try:
            materialize(root, redis=server.address)
        finally:
            server.stop()

    return built_once(shared / "in_redis", build)


@pytest.fixture(scope="module")
def redis_demo(in_redis: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRedis]:
    """The demo on a Redis of the module's own."""
    place = tmp_path_factory.mktemp("redis_demo")
    shutil.copy(in_redis / "dump.rdb", place)
    server = RedisServer(place)
    yield OnRedis(copy_of(in_redis / "workspace", place / "workspace"), server)
    server.stop()
