"""Users' vectors, by config: worked out for each request, or kept for minutes, under a version, or in batch.

Models that compare vectors spend most of an answer's time on the user's. What is kept is kept in Redis, for all
workers, or in the process where there is none.
"""

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import redis

from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import workspace
from models.recall.search.vectors import VectorRecaller
from models.two_stage import TwoStage
from serving.config import REDIS, Mode, text_of
from serving.features.reader import ONLINE_ERRORS, content_hash
from serving.telemetry.metrics import Metrics

KEPT = "cinefeast:user-vector"
"""How keys begin."""
MINUTES, DAY = 300, 86_400
"""Seconds that vectors are kept."""
PATIENCE = 0.05
"""Seconds that Redis may take; then a vector is worked out."""
MOST = 50_000
"""Vectors that a process keeps where there is no Redis."""

Vectors = tuple[np.ndarray, np.ndarray]


class VectorStore(Protocol):
    """Where bytes are kept by key."""

    def get(self, key: str) -> bytes | None:
        """What was put, None where it is not there any more."""

    def put(self, values: dict[str, bytes], seconds: int | None) -> None:
        """Keep values for so many seconds, for ever if None."""


class InProcess:
    """The latest values of one process."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """See VectorStore."""
        until, value = self._values.get(key, (0.0, b""))
        return value if time.monotonic() < until else None

    def put(self, values: dict[str, bytes], seconds: int | None) -> None:
        """See VectorStore."""
        until = float("inf") if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._values.update({key: (until, value) for key, value in values.items()})
            while len(self._values) > MOST:
                self._values.popitem(last=False)


class InRedis:
    """Values for all workers. Without an answer nothing is kept, and everything is worked out."""

    def __init__(self, address: str) -> None:
        self._address = f"{address},socket_timeout={PATIENCE},socket_connect_timeout={PATIENCE},retry=null"

    @cached_property
    def client(self) -> "redis.Redis | redis.RedisCluster":
        """The client; a cluster is asked for its nodes the first time."""
        from feature_repo.online_store.redis import client_of

        return client_of(self._address)

    def get(self, key: str) -> bytes | None:
        """See VectorStore."""
        try:
            found = self.client.get(key)
        except ONLINE_ERRORS:
            return None
        return found if isinstance(found, bytes) else None

    def put(self, values: dict[str, bytes], seconds: int | None) -> None:
        """See VectorStore."""
        try:
            with self.client.pipeline(transaction=False) as pipe:
                for key, value in values.items():
                    pipe.set(key, value, ex=seconds)
                pipe.execute()
        except ONLINE_ERRORS:
            return


def vector_store() -> VectorStore:
    """Redis where there is one."""
    address = text_of(REDIS)
    return InRedis(address) if address else InProcess()


def kept_vectors(user_id: int) -> list[bytes]:
    """The keys under which vectors of a user are kept in Redis."""
    from feature_repo.online_store.redis import client_of

    keys = client_of(text_of(REDIS)).scan_iter(match=f"{KEPT}:*:{user_id}:*", count=10_000)
    return [key for key in keys if key.split(b":")[5] == str(user_id).encode()]


def forget_vectors(user_id: int) -> None:
    """Remove what is kept in Redis of a user's vectors."""
    from feature_repo.online_store.redis import client_of

    client = client_of(text_of(REDIS))
    for key in kept_vectors(user_id):
        client.delete(key)


class UserVectors:
    """Stands between the channels of a set of models and the working out of vectors."""

    def __init__(self, models: TwoStage, version: str, mode: Mode, store: VectorStore, metrics: Metrics) -> None:
        self._version, self._mode, self._store, self._metrics = version, mode, store, metrics
        self._work = {name: own_work(channel) for name, channel in vector_channels(models)}
        if mode != Mode.REQUEST:
            for name, channel in vector_channels(models):
                setattr(channel, "user_vectors", self._instead(name))  # noqa: B010

    def precompute(self, users: pa.Table) -> int:
        """Keep the vectors of rows of user features; how many were."""
        count = 0
        for name, work in self._work.items():
            vectors, known = work(users)
            ids = users["user_id"].to_pylist()
            keys = [self._key(name, user) for user in ids]
            self._store.put({k: packed(v, w) for k, v, w in zip(keys, vectors, known, strict=True)}, None)
            count += len(keys)
        return count

    def _key(self, channel: str, user_id: int, version: str = "") -> str:
        return f"{KEPT}:{self._mode}:{self._version}:{channel}:{user_id}:{version}"

    def _instead(self, name: str) -> Callable[[pa.Table], Vectors]:
        """What a channel calls in place of its own `user_vectors`."""
        work = self._work[name]

        def user_vectors(users: pa.Table) -> Vectors:
            user_id = users["user_id"][0].as_py() if users.num_rows == 1 else -1
            if user_id < 0 or user_id in erased_users(workspace().events):  # many, or nobody to remember
                return work(users)
            version = ""
            if self._mode == Mode.VERSION:
                names = [name for name in users.column_names if name not in ("user_id", "event_timestamp")]
                version = content_hash(users.select(names))
            key = self._key(name, user_id, version)
            value = self._store.get(key)
            self._metrics.cache.labels("user_vector", "hit" if value else "miss").inc()
            if value:
                return unpacked(value)
            vectors, known = work(users)
            if self._mode != Mode.BATCH:
                seconds = MINUTES if self._mode == Mode.MINUTES else DAY
                self._store.put({key: packed(vectors[0], known[0])}, seconds)
            return vectors, known

        return user_vectors


def own_work(channel: VectorRecaller) -> Callable[[pa.Table], Vectors]:
    """What a channel does by itself. It is not held, or it would hold itself: models that are replaced end at once,
    though the collector is kept from looking at them."""
    work, held = type(channel).user_vectors, weakref.proxy(channel)
    return lambda users: work(held, users)


def vector_channels(models: TwoStage) -> Iterator[tuple[str, VectorRecaller]]:
    """The channels that compare vectors."""
    for name, channel in models.channels.items():
        if isinstance(channel, VectorRecaller):
            yield name, channel


def packed(vectors: np.ndarray, known: bool) -> bytes:
    """A user's vectors (i, d) as bytes: how many, whether the user is known, the numbers."""
    return np.array([len(vectors), known], np.float32).tobytes() + np.ascontiguousarray(vectors, np.float32).tobytes()


def unpacked(value: bytes) -> Vectors:
    """The vectors (1, i, d) and whether the user is known (1,)."""
    numbers = np.frombuffer(value, np.float32)
    return numbers[2:].reshape(1, int(numbers[0]), -1), np.array([numbers[1] > 0])
