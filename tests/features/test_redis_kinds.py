"""Redis as a cluster of three masters, and behind a Sentinel: what one server does, they do."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dbt_project.errors import CineFeastError
from tests.features.test_online_writes import KEYS, START, Online
from tests.serving.redis_kinds import MASTER, redis_cluster, redis_sentinel


@pytest.fixture(scope="module", params=["redis_cluster", "redis_sentinel"])
def online(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Online]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_TYPE", request.param)
        patch.setenv("REDIS_SENTINEL_MASTER", MASTER)
        with redis_cluster(folder) if request.param == "redis_cluster" else redis_sentinel(folder) as servers:
            yield Online(",".join(server.address for server in servers[:2]))


def test_rows_are_written_by_the_rule_and_read(online: Online) -> None:
    later = START + timedelta(seconds=1)
    online.write(dict.fromkeys(KEYS, 1), START)
    online.write(dict.fromkeys(KEYS[::2], 2), later)
    online.write(dict.fromkeys(KEYS, 3), START)
    expected = [2 if key in KEYS[::2] else 3 for key in KEYS]
    assert [online.read(key) for key in KEYS] == [[value, value] for value in expected]
    wanted, keys = [(online.view, list(online.names))], [online.key(key) for key in KEYS]
    columns = online.store.read_stored(online.config, wanted, keys)
    assert columns == [[row[1][name].SerializeToString() for row in rows(online, expected)] for name in online.names]
    assert online.store.read_stored(online.config, wanted, []) == [[], []]


def test_feast_serve_writes_by_the_rule(online: Online) -> None:
    later = START + timedelta(seconds=2)

    async def write() -> None:
        for at, value in ((later, 4), (START, 5)):
            data = [row for key in KEYS for row in online.rows({key: value}, at)]
            await online.store.online_write_batch_async(online.config, online.view, data, None)
        await (await online.store._get_client_async(online.config.online_store)).aclose()

    asyncio.run(write())
    assert [online.read(key) for key in KEYS] == [[4, 4]] * len(KEYS)


def test_vectors_of_users_are_kept(online: Online) -> None:
    from serving.features.user_vectors import InRedis

    place = InRedis(online.config.online_store.connection_string)
    place.put({f"vector-{key}": str(key).encode() for key in KEYS}, 60)
    assert [place.get(f"vector-{key}") for key in KEYS] == [str(key).encode() for key in KEYS]


@pytest.mark.parametrize("kind", ["redis_cluster", "redis_sentinel"])
def test_vectors_of_a_dead_one_are_none(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.features.user_vectors import InRedis

    monkeypatch.setenv("REDIS_TYPE", kind)
    place = InRedis("localhost:1")
    place.put({"vector": b"1"}, None)
    assert place.get("vector") is None


def test_a_type_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_TYPE", "clustr")
    with pytest.raises(CineFeastError, match="REDIS_TYPE='clustr' is none of redis, redis_cluster, redis_sentinel"):
        Online("localhost:1")


def rows(online: Online, values: list[int]) -> list:
    """The row of each key with its value."""
    return [row for key, value in zip(KEYS, values, strict=True) for row in online.rows({key: value}, START)]
