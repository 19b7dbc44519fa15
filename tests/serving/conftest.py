"""One workspace that `cinefeast demo` built, and servers on it: one on SQLite, one on a real Redis."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dbt_project.workspace import Workspace
from tests.commands import FOREVER, run
from tests.conftest import Built
from tests.fixtures import FixtureData, write_fixture
from tests.serving.servers import KEYS, RedisServer, served


@dataclass(frozen=True)
class Demo:
    """A workspace after `cinefeast demo` on the made-up data: its directory, the data, what the demo printed."""

    root: Path
    data: FixtureData
    output: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The whole chain. Read only; copy it (with symlinks) to change it."""
    root = tmp_path_factory.mktemp("demo")
    data = write_fixture(tmp_path_factory.mktemp("archive"))
    files = ("--archive", str(data.archive), "--tmdb", str(data.tmdb))
    # two test workspaces never share dbt's compiled files
    dbt = {"DBT_TARGET_PATH": str(root / "dbt_target"), "DBT_LOG_PATH": str(root / "dbt_logs")}
    ran = run(root, "cinefeast", "demo", "--dataset", "ml-latest-small", *files, REDIS_CONNECTION_STRING="", **dbt)
    return Demo(root, data, ran.stdout)


@pytest.fixture
def copied(demo: Demo, tmp_path: Path) -> Path:
    """A workspace of the test's own, without what servers of the shared one have logged."""
    shutil.copytree(demo.root, tmp_path / "workspace", symlinks=True, ignore=shutil.ignore_patterns("logs"))
    return tmp_path / "workspace"


@pytest.fixture(scope="module")
def on_sqlite(demo: Demo) -> Iterator[httpx.Client]:
    """A client of a server whose online store is SQLite."""
    with served(demo.root) as client:
        yield client


def materialized(demo: Demo, redis_server: RedisServer, root: Path) -> Path:
    """A copy of the demo at `root` whose online store is Redis."""
    shutil.copytree(demo.root, root, symlinks=True)
    (root / "feast" / "online.db").unlink()
    store = {"REDIS_CONNECTION_STRING": redis_server.address}
    feast = ("feast", "-f", "feature_store.redis.yaml")
    run(root, *feast, "apply", folder="feature_repo", **store)
    run(root, *feast, "materialize", *FOREVER, folder="feature_repo", **store)
    return root


@pytest.fixture(scope="module")
def on_redis(demo: Demo, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server whose online store is Redis, materialized from the same warehouse."""
    root = materialized(demo, redis_server, tmp_path_factory.mktemp("on_redis") / "workspace")
    with served(root, REDIS_CONNECTION_STRING=redis_server.address, **KEYS) as client:
        yield client


@pytest.fixture
def broken(built_workspace: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the built workspace, named by the environment, for a test of the doctor to break."""
    shutil.copytree(built_workspace.root, tmp_path / "workspace", symlinks=True)
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    return Workspace(tmp_path / "workspace")
