"""A real Redis cluster of three masters, and a real Sentinel with its master: what REDIS_TYPE names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.serving.servers import RedisServer, wait_for

SLOTS = 16_384
MASTER = "films"


@contextmanager
def redis_cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three masters that share the slots; any of their addresses is the cluster's."""
    servers: list[RedisServer] = []
    try:
        for name in ("first", "second", "third"):
            (folder / name).mkdir()
            servers.append(RedisServer(folder / name, "--cluster-enabled", "yes"))
        for number, server in enumerate(servers):
            with redis.Redis(port=server.port) as node:
                mine = range(SLOTS * number // len(servers), SLOTS * (number + 1) // len(servers))
                node.execute_command("CLUSTER ADDSLOTS", *mine)
                node.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port)
        wait_for(lambda: all(is_whole(server, len(servers)) for server in servers), "a cluster of all nodes")
        yield servers
    finally:
        ended(servers)


def is_whole(server: RedisServer, size: int) -> bool:
    """Whether a node knows who has each slot."""
    with redis.Redis(port=server.port) as node:
        told = node.execute_command("CLUSTER INFO")
    return told["cluster_state"] == "ok" and int(told["cluster_size"]) == size


@contextmanager
def redis_sentinel(folder: Path) -> Iterator[list[RedisServer]]:
    """A Sentinel that knows a server as MASTER, and nothing but the Sentinel's address to know it by."""
    servers = [RedisServer(folder)]
    settings = folder / "sentinel.conf"  # which it writes to
    settings.write_text(f"sentinel monitor {MASTER} 127.0.0.1 {servers[0].port} 1\n")
    try:
        servers.insert(0, RedisServer(folder, str(settings), "--sentinel"))
        yield servers[:1]
    finally:
        ended(servers)


def ended(servers: list[RedisServer]) -> None:
    """Kill servers whose data nobody wants."""
    for server in servers:
        server.process.kill()
        server.process.wait()
