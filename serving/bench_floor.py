"""What no answer can do without: the user's row out of Redis, the searches, the ranker's network; nothing else."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import redis
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from models.columns import integers
from models.ids import Ids
from models.recall.vectors import search
from models.two_stage import BROUGHT
from serving.budget import Stages
from serving.features import REDIS
from serving.loading import load_recommender
from serving.metrics import Metrics
from serving.recommender import Recommender
from serving.user_vectors import vector_channels

USERS, ROUNDS = 20, 5


def floor(users: list[int]) -> float:
    """Median seconds, in one process, of what `floor_of` does for each of some users, in turns."""
    recommender = load_recommender(Stages(Metrics()))
    least = [floor_of(recommender, user) for user in users[:USERS]]
    spent = []
    for _ in range(1 + ROUNDS):
        for work in least:
            began = time.perf_counter()
            work()
            spent.append(time.perf_counter() - began)
    return float(np.median(spent[len(least) :]))


def floor_of(recommender: Recommender, user: int) -> Callable[[], None]:
    """The floor of a user's answer: everything that it is asked with is worked out before."""
    models, features, catalogue = recommender.models, recommender.features, recommender.catalogue.table
    row = features.users([user])
    seen = np.asarray(row["user_seen_movie_ids"][0].as_py() or [], np.int64)
    found = models.recall(row, [seen])
    rows = np.where(found.ids >= 0, Ids(integers(catalogue, "movie_id")).rows(found.ids), -1)
    batch = models.ranker.encoder(models.pairs(row, catalogue, found, rows))
    asked = [(channel, channel.user_vectors(row)[0][0]) for _, channel in vector_channels(models)]
    nodes, options = RedisOnlineStore._parse_connection_string(os.environ[REDIS])
    client = redis.Redis(**nodes[0], **options)
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

    return work
