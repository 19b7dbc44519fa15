"""The served app on a Redis cluster: features, users' vectors and events."""

from pathlib import Path

import httpx
import redis

from tests.conftest import OnRedis, copy_of
from tests.serving.redis_kinds import ended, redis_cluster
from tests.serving.servers import KEYS, WRITER, metrics, served

VECTORS = {"CINEFEAST_USER_VECTORS": "version"}


def test_a_cluster_answers_like_one_server(on_redis: httpx.Client, redis_demo: OnRedis, tmp_path: Path) -> None:
    root = copy_of(redis_demo.root, tmp_path / "workspace")
    (tmp_path / "cluster").mkdir()
    with redis_cluster(tmp_path / "cluster") as servers:
        address = ",".join(server.address for server in servers)
        moved(redis_demo.server.port, servers[0].port)
        more = {"REDIS_CONNECTION_STRING": address, "REDIS_TYPE": "redis_cluster", **VECTORS, **KEYS}
        with served(root, **more) as client:
            for user in (1, 2, 33, 1):
                path = f"/v1/users/{user}/recommendations?n=20&explain=true"
                assert client.get(path).json() == on_redis.get(path).json()
            assert 'cinefeast_cache_total{cache="user_vector",outcome="hit"}' in metrics(client)
            film = client.get("/v1/users/1/recommendations").json()["items"][0]["movie_id"]
            event = {"event_id": "one", "kind": "rating", "user_id": 1, "movie_id": film, "rating": 4.5}
            told = client.post("/v1/events", json=event, headers=WRITER)
            assert told.json()["online"] is True, told.text
            left = client.get("/v1/users/1/recommendations").json()["items"]
            assert film not in [item["movie_id"] for item in left]
            ended(servers)
            late = client.get("/v1/users/44/recommendations").json()
            assert (late["strategy"], len(late["items"])) == ("popularity", 10)
            assert late["degraded"][0].startswith("features: ")


def moved(source: int, cluster: int) -> None:
    """All of a server's keys, to a cluster."""
    with redis.Redis(port=source) as one, redis.RedisCluster(host="localhost", port=cluster) as many:
        for key in one.scan_iter():
            many.restore(key, 0, one.dump(key))
