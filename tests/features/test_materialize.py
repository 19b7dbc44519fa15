"""`feast materialize`: twice is once, a kill half-way costs nothing, and no row goes back in time."""

import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from feast.protos.feast.core.Registry_pb2 import Registry

from tests.commands import FOREVER, environment_of, materialize, start
from tests.conftest import TRAINED, Built, copy_of
from tests.features.online import compare_online_with_history
from tests.serving.servers import RedisServer, wait_for


@pytest.fixture
def workspace(built_workspace: Built, tmp_path: Path) -> Path:
    return copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)


def counts(workspace: Path, key: str = "user_id") -> dict[int, Any]:
    """user_count_ratings of the made-up users, as online now."""
    from feature_repo.store import load_store

    users = list(range(1, 61))
    found = load_store().get_online_features(["user_state:user_count_ratings"], {key: users}).to_dict()
    return dict(zip(users, found["user_count_ratings"], strict=True))


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_an_earlier_range_moves_no_row_back(
    kind: str, workspace: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = redis_server.address if kind == "redis" else ""
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    (workspace / "feast" / "online.db").unlink()
    redis_server.flush()
    materialize(workspace, until="2017-01-01T00:00:00", redis=address)
    early = counts(workspace)
    materialize(workspace, redis=address)
    latest = counts(workspace)
    assert early != latest
    materialize(workspace, until="2017-01-01T00:00:00", redis=address)
    assert counts(workspace) == latest


def test_a_killed_run_is_made_good_by_the_next_one(
    built_workspace: Built, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    online = workspace / "feast" / "online.db"
    online.unlink()
    materialize(workspace, until="1970-01-02T00:00:00")  # makes the tables, writes nobody

    def rows() -> int:
        with sqlite3.connect(online) as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
            return sum(connection.execute(f'select count(*) from "{name}"').fetchone()[0] for (name,) in tables)

    before = rows()
    told, command = workspace / "killed.txt", ("feast", "materialize", *FOREVER)
    process = start(environment_of(workspace), *command, output=told, folder="feature_repo")
    wait_for(lambda: rows() > before, "materialize writes", every=0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert rows() > before
    assert set(counts(workspace))  # what is there is served
    materialize(workspace)
    assert compare_online_with_history(load_store(), *built_workspace.data.ids) > 10_000


def test_the_registry_is_whole_while_it_is_written(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Materializing writes it once a view. Whoever reads then, or is killed then, has the one before."""
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    path = workspace / "feast" / "registry.db"
    views = len(Registry.FromString(path.read_bytes()).feature_views)
    assert views
    registry, enough = load_store().registry, Event()

    def write() -> None:
        while not enough.is_set():
            registry.commit()

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        try:
            found = [len(Registry.FromString(path.read_bytes()).feature_views) for _ in range(300)]
        finally:
            enough.set()
        writing.result()
    assert set(found) == {views}
    assert sorted(file.name for file in path.parent.glob("*registry*")) == [path.name, "registry.lock"]


def test_a_second_run_changes_nothing(workspace: Path) -> None:
    def content() -> list[tuple]:
        with sqlite3.connect(workspace / "feast" / "online.db") as connection:
            tables = connection.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
            return [
                row
                for (name,) in tables
                for row in connection.execute(
                    f'select entity_key, feature_name, value, event_ts from "{name}" order by 1, 2'
                )
            ]

    once = content()
    materialize(workspace)
    assert content() == once
    assert len(once) > 1000
