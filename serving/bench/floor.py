"""What no answer can do without: the user's row out of Redis, the searches, the networks; nothing else."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.online_store.redis import client_of
from models.columns import integers
from models.ids import Ids
from models.recall.fan_out import BROUGHT
from models.recall.search.index import search
from models.recall.search.vectors import VectorRecaller
from serving.config import REDIS, text_of
from serving.features.user_vectors import vector_channels
from serving.pipeline.recommender import Recommender
from serving.runtime.loader import load_recommender
from serving.telemetry.deadlines import Stages
from serving.telemetry.metrics import Metrics

USERS = 20
Work = Callable[[], Any]


class Floor:
    """The floor of some users' answers, in one process. Everything that it is asked with is worked out before."""

    def __init__(self, users: list[int]) -> None:
        recommender = load_recommender(Stages(Metrics()))
        self._users = [floor_of(recommender, user) for user in users[:USERS]]
        self.spent: list[float] = []
        """Seconds of row, searches and ranker, a user each time."""
        self.spent_with_vectors: list[float] = []
        """Seconds of the same and of the networks that make the user's vectors."""

    def round(self) -> None:
        """Each user once, after one that does not count, as the caches are of something else by then."""
        for number, (least, vectors) in enumerate([self._users[-1], *self._users]):
            began = time.perf_counter()
            least()
            between = time.perf_counter()
            for make in vectors:
                make()
            if number:
                self.spent.append(between - began)
                self.spent_with_vectors.append(time.perf_counter() - began)


def floor_of(recommender: Recommender, user: int) -> tuple[Work, list[Work]]:
    """A user's floor, and what makes their vectors."""
    models, features, catalogue = recommender.models, recommender.features, recommender.catalogue.table
    row = features.users([user])
    seen = np.asarray(row["user_seen_movie_ids"][0].as_py() or [], np.int64)
    found = models.recall(row, [seen])
    rows = np.where(found.ids >= 0, Ids(integers(catalogue, "movie_id")).rows(found.ids), -1)
    batch = models.ranker.encoder(models.pairs(row, catalogue, found, rows))
    channels = [channel for _, channel in vector_channels(models)]
    asked = [(channel, channel.user_vectors(row)[0][0]) for channel in channels]
    client = client_of(text_of(REDIS))
    config = features.store.config
    entity = EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=user)])
    key = _redis_key(config.project, entity, config.entity_key_serialization_version)
    fields = [_mmh3(reference) for reference in features.user_fields]
    stored: Any = client.hmget(key, fields)
    if not any(stored):
        raise RuntimeError(f"Redis has no row of user {user} where Feast reads one")

    def work() -> None:
        client.hmget(key, fields)
        for channel, vectors in asked:
            search(channel.index, vectors, BROUGHT + len(seen), channel.config)
        models.ranker.scores_of(batch)

    return work, [network_of(channel, row) for channel in channels]


def network_of(channel: VectorRecaller, row: Any) -> Work:
    """A run of the exported network that makes a user's vector, with what the channel gives it for this one."""
    session = channel.session
    given: dict[str, np.ndarray] = {}
    assert session, f"{channel.config.name} was saved without its network"

    def recorded(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        given.update(inputs)
        return session(inputs)

    channel.session = recorded  # type: ignore[assignment]
    channel.user_vectors(row)
    channel.session = session
    return lambda: session(given)
