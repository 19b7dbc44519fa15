"""Erasing that is killed anywhere and run again, and erasing from Redis, one server or a cluster."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis

from dbt_project.events.schemas import FEEDBACK, RATINGS
from dbt_project.workspace import Workspace
from tests.commands import FORKS, environment_of, landed_events, run
from tests.conftest import TRAINED, Demo, copy_of
from tests.serving.redis_kinds import redis_cluster
from tests.serving.servers import RedisServer
from tests.serving.test_erase import ARCHIVED, NEWCOMER, STAYS, events_of
from tests.serving.test_redis_cluster import moved


def take_events(root: Path, films: list[int]) -> None:
    """Events of three users as the server takes them: landed, in the ledger, online."""
    from feature_repo.store import load_store
    from serving.events.writer import EventLog
    from serving.schemas.events import Event
    from serving.telemetry.metrics import Metrics

    log = EventLog(load_store(), Workspace(root), Metrics())
    for user in (ARCHIVED, NEWCOMER, STAYS):
        receipt = log.submit([Event(**event) for event in events_of(user, films)]).result()
        assert receipt.online
    log.close()
    for file in (root / "feast/logs/served_v1/one.parquet", root / "feast/datasets/one.parquet"):
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"user_id": [ARCHIVED, STAYS, NEWCOMER], "x": [1, 2, 3]}), file)


def online(user_id: int) -> list[Any]:
    """A feature of each view that events write."""
    from feature_repo.store import load_store

    names = ["user_state:user_count_ratings", "user_history:user_seen_movie_ids", "user_feedback:user_hidden_movie_ids"]
    found = load_store().get_online_features(names, {"user_id": [user_id]}).to_dict()
    return [found[name.split(":")[1]][0] for name in names]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "")
    return monkeypatch


def erase_until_killed(environment: dict[str, str], number: int) -> None:
    """Erase the user; killed at its fsync or step of that number."""
    os.environ.update(environment)
    points, fsync = count(1), os.fsync

    def point(*given: object) -> None:
        if next(points) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def killing(descriptor: int) -> None:
        point()
        fsync(descriptor)

    os.fsync = killing
    from serving.privacy.erase import erase

    erase(Workspace(Path(environment["CINEFEAST_WORKSPACE"])), NEWCOMER, point)


def test_killed_anywhere_it_is_run_again(demo: Demo, tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    root = copy_of(demo.root, tmp_path / "workspace", *TRAINED)
    environment.setenv("CINEFEAST_WORKSPACE", str(root))
    take_events(root, [film.movie_id for film in demo.data.films])
    stays = online(STAYS)
    ends = []
    for number in count(1):
        process = FORKS.Process(target=erase_until_killed, args=(environment_of(root), number))
        process.start()
        process.join()
        ends.append(process.exitcode)
        if process.exitcode != -signal.SIGKILL:
            break
    assert ends[-1] == 0
    assert len(ends) > 5, "it was killed at each step at least"
    for kind in (RATINGS, FEEDBACK):
        assert {row["user_id"] for row in landed_events(root, kind)} == {ARCHIVED, STAYS}
    with closing(sqlite3.connect(root / "raw" / "events" / "accepted.db")) as ledger:
        left = {name for (name,) in ledger.execute("select event_id from accepted union select event_id from receipts")}
    assert {name.split("-")[0] for name in left} == {f"e{ARCHIVED}", f"e{STAYS}"}
    assert (online(NEWCOMER), online(STAYS)) == ([None] * 3, stays)
    for file in (root / "feast").rglob("one.parquet"):
        assert pq.read_table(file)["user_id"].to_pylist() == [ARCHIVED, STAYS]
    assert {part.parent.name for part in root.rglob("*.part")} <= {"datasets"}, "which others write without a lock"


@pytest.fixture(params=["redis", "redis_cluster"])
def nodes(
    request: pytest.FixtureRequest, in_redis: Path, tmp_path: Path, environment: pytest.MonkeyPatch
) -> Iterator[list[RedisServer]]:
    """The demo in a Redis, which the environment names, or in a cluster of three."""
    with ExitStack() as stack:
        shutil.copy(in_redis / "dump.rdb", tmp_path)
        one = RedisServer(tmp_path)
        stack.callback(one.stop)
        servers = [one]
        if request.param == "redis_cluster":
            (tmp_path / "cluster").mkdir()
            servers = stack.enter_context(redis_cluster(tmp_path / "cluster"))
            moved(one.port, servers[0].port)
        environment.setenv(
            "CINEFEAST_WORKSPACE", str(copy_of(in_redis / "workspace", tmp_path / "workspace", *TRAINED))
        )
        environment.setenv("REDIS_TYPE", request.param)
        environment.setenv("REDIS_CONNECTION_STRING", ",".join(server.address for server in servers))
        yield servers


def keys(servers: list[RedisServer]) -> set[bytes]:
    """Every key of all nodes."""
    found: set[bytes] = set()
    for server in servers:
        with redis.Redis(port=server.port) as node:
            found |= set(node.scan_iter(count=10_000))
    return found


def test_redis_has_no_key_of_the_user(nodes: list[RedisServer], demo: Demo) -> None:
    from serving.features.user_vectors import vector_store

    root = Path(os.environ["CINEFEAST_WORKSPACE"])
    take_events(root, [film.movie_id for film in demo.data.films])
    before = keys(nodes)
    vectors = {
        f"cinefeast:user-vector:version:abc:{channel}:{user}:{NEWCOMER if user == STAYS else 1}"
        for user in (ARCHIVED, NEWCOMER, STAYS, int(f"{ARCHIVED}4"))
        for channel in ("two_tower", "mind")
    }
    vector_store().put(dict.fromkeys(vectors, b"1"), None)
    stays = online(STAYS)
    told = run(root, "cinefeast", "user", "export", str(NEWCOMER)).stdout
    assert '"vectors": 2' in told
    for user in (ARCHIVED, NEWCOMER):
        run(root, "cinefeast", "user", "erase", str(user), "--yes")
        assert online(user) == [None] * 3
    after = keys(nodes)
    gone = {key for key in before - after if b"user_id" in key}
    assert len(gone) == 2 == len(before - after), "a key a user, and none of a film"
    assert not [key for key in after if b"user_id" in key and NEWCOMER.to_bytes(8, "little") in key]
    left = {key.decode() for key in after if key.startswith(b"cinefeast:user-vector:")}
    assert left == {key for key in vectors if key.split(":")[5] in (str(STAYS), f"{ARCHIVED}4")}
    assert online(STAYS) == stays
