"""Both online stores go forward alone, whoever writes at the same time: the newest row of each key stays, whole."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.commands import FORKS
from tests.serving.servers import RedisServer

KEYS = range(200)
START = datetime(2016, 4, 1, tzinfo=UTC)
WRITERS, ROUNDS = 3, 6


class Online:
    """An online store with one view of users: `value` and `again`, which are equal in a row that is whole."""

    def __init__(self, address: str, names: tuple[str, ...] = ("value", "again")) -> None:
        from feast import Entity, FeatureView, Field, FileSource, RepoConfig, ValueType
        from feast.types import Int64

        kind = "sqlite.ForwardSqliteOnlineStore" if address.endswith(".db") else "redis.ForwardRedisOnlineStore"
        place = {"path" if address.endswith(".db") else "connection_string": address}
        self.config = RepoConfig(
            project="p",
            provider="local",
            registry="registry.db",
            entity_key_serialization_version=3,
            online_store={"type": f"feature_repo.online_store.{kind}", **place},
        )
        schema = [Field(name=name, dtype=Int64) for name in ("user_id", *names)]
        user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
        source = FileSource(path="none.parquet", timestamp_field="event_timestamp")
        self.view = FeatureView(name="state", entities=[user], schema=schema, source=source)
        self.names = names
        self.store = self._class()
        self.store.update(self.config, [], [self.view], [], [], False)

    def _class(self) -> Any:
        from feast.importer import import_class

        module, name = self.config.online_store.type.rsplit(".", 1)
        return import_class(module, name)()

    def rows(self, values: dict[int, int], at: datetime) -> list[Any]:
        """A row a user, with the same value in each feature."""
        from feast.protos.feast.types.Value_pb2 import Value

        return [
            (self.key(user), {name: Value(int64_val=value) for name in self.names}, at, None)
            for user, value in values.items()
        ]

    def key(self, user: int) -> Any:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        return EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=user)])

    def write(self, values: dict[int, int], at: datetime) -> None:
        self.store.online_write_batch(self.config, self.view, self.rows(values, at), None)

    def stored(self, user: int = 1) -> tuple[datetime | None, list[int | None]]:
        """The moment of a row and its features, as another process reads them."""
        ((at, values),) = self._class().online_read(self.config, self.view, [self.key(user)], list(self.names))
        found = [values.get(name) if values else None for name in self.names]
        return at, [value.int64_val if value is not None and value.WhichOneof("val") else None for value in found]

    def read(self, user: int = 1) -> list[int | None]:
        """A row's features."""
        return self.stored(user)[1]


@pytest.fixture(params=["sqlite", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "online.db")
    redis_server: RedisServer = request.getfixturevalue("redis_server")
    redis_server.flush()
    return redis_server.address


def write_all(address: str, writer: int, together: Any) -> None:
    """A writer of its own process: in each round some state of every key, old and new ones as chance wills."""
    online = Online(address)
    moments = [random.Random(key).sample(range(WRITERS * ROUNDS), WRITERS * ROUNDS) for key in KEYS]
    together.wait()
    for place in range(writer, WRITERS * ROUNDS, WRITERS):
        values = [(key, moments[key][place]) for key in KEYS]
        rows = [row for key, value in values for row in online.rows({key: value}, START + timedelta(seconds=value))]
        online.store.online_write_batch(online.config, online.view, rows, None)


def test_of_writers_in_processes_the_newest_stays(address: str) -> None:
    online, newest = Online(address), WRITERS * ROUNDS - 1
    together = FORKS.Barrier(WRITERS)
    writers = [FORKS.Process(target=write_all, args=(address, writer, together)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert [online.read(key) for key in KEYS] == [[newest, newest]] * len(KEYS)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Something done once by another, after a write has looked at what is stored and before it writes."""
    import redis
    from feast.infra.online_stores.sqlite import SqliteOnlineStore

    def place(once: Callable[[], None]) -> None:
        waiting = [once]

        def hooked(original: Any, is_before: bool) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                mine = waiting.pop() if waiting else lambda: None
                if is_before:
                    mine()
                found = original(*args, **options)
                if not is_before:
                    mine()
                return found

            return call

        write, execute = SqliteOnlineStore.online_write_batch, redis.client.Pipeline.execute
        monkeypatch.setattr(SqliteOnlineStore, "online_write_batch", hooked(write, is_before=True))
        monkeypatch.setattr(redis.client.Pipeline, "execute", hooked(execute, is_before=False))

    return place


def test_a_newer_row_written_between_look_and_write_stays(
    address: str, between: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_repo.online_store.sqlite.PATIENCE", 0)
    older, newer = Online(address), Online(address)
    older.write({1: 0}, START)
    newer.read()
    late: list[bool] = []

    def write_newer() -> None:
        try:
            newer.write({1: 2}, START + timedelta(seconds=2))
        except sqlite3.OperationalError:  # the database is locked: it is written when the older one is
            late.append(True)

    between(write_newer)
    older.write({1: 1}, START + timedelta(seconds=1))
    if late:
        newer.write({1: 2}, START + timedelta(seconds=2))
    assert older.read() == [2, 2]


def test_stamps_are_compared_to_the_microsecond(address: str) -> None:
    """Before 1970, too, around it, and where the seconds are equal."""
    online, second, micro = Online(address), timedelta(seconds=1), timedelta(microseconds=1)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    marks = [datetime(1901, 1, 1, tzinfo=UTC), epoch, START, datetime(2200, 1, 1, tzinfo=UTC)]
    moments = sorted({mark + n * second + m * micro for mark in marks for n in (-1, 0, 1) for m in (-1, 0, 1)})
    for user, (before, after) in enumerate(pairwise(moments)):
        for value, at in enumerate((after, before)):
            online.write({user: value}, at)
        assert online.read(user) == [0, 0]
        online.write({user: 7}, after)  # a value that is corrected
        at, values = online.stored(user)
        assert values == [7, 7]
        assert at is not None
        assert abs(at - after) < 10 * micro  # SQLite gives Feast 15 digits of what it compares whole
    both = [*online.rows({1: 1}, moments[-1]), *online.rows({1: 0}, moments[0])]
    online.store.online_write_batch(online.config, online.view, both, None)
    assert online.read() == [1, 1]


def test_a_row_is_of_one_moment(address: str) -> None:
    """A feature that the stored row lacks, as it came to the view later, does not come from an older row."""
    Online(address, ("value",)).write({1: 2}, START)
    online = Online(address)
    online.write({1: 1}, START - timedelta(seconds=1))
    assert online.read() == [2, None]
    online.write({1: 3}, START)
    assert online.read() == [3, 3]


def test_what_feast_serve_writes_obeys_the_rule(redis_server: RedisServer) -> None:
    redis_server.flush()
    online = Online(redis_server.address)
    written = []

    async def write(value: int, at: datetime) -> None:
        rows = online.rows({1: value}, at)
        await online.store.online_write_batch_async(online.config, online.view, rows, written.append)

    async def all_of_them() -> None:
        await write(2, START)
        await write(1, START - timedelta(microseconds=1))
        await write(3, START)

    asyncio.run(all_of_them())
    assert online.read() == [3, 3]
    assert sum(written) == 3
