"""`cinefeast bench vectors`: an answer's time in each mode of user vectors, and how old a vector can be."""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dbt_project.workspace import workspace
from serving.bench.serve import keys, own_redis
from serving.config import REDIS, Mode, text_of
from serving.features.reader import check_built
from serving.features.user_vectors import InRedis, vector_channels, vector_store
from serving.pipeline.recommender import Recommender
from serving.runtime.loader import load_recommender
from serving.runtime.precompute import precompute
from serving.schemas.requests import CandidatesQuery
from serving.telemetry.deadlines import Stages
from serving.telemetry.metrics import Metrics


@dataclass
class Measured:
    """One mode in this process, HTTP aside."""

    recommender: Recommender
    first: list[float] = field(default_factory=list)
    """Seconds of each user's first answer."""
    again: list[float] = field(default_factory=list)
    """Seconds of the second one."""


def measure(users: int) -> dict[str, Any]:
    """All modes in turns on the same users, each asked twice, in milliseconds; Redis as in `bench serve`."""
    check_built()
    with contextlib.nullcontext() if text_of(REDIS) else own_redis(workspace()):
        from feature_repo.store import load_store

        precompute()
        some = keys(load_store())[1][:users]
        modes = {mode: Measured(load_recommender(Stages(Metrics()), mode)) for mode in Mode}
        for user in [*some[-1:], *some]:  # the first one, which finds everything cold, does not count
            for mode in modes.values():
                mode.first.append(seconds(mode.recommender, user))
            for mode in modes.values():
                mode.again.append(seconds(mode.recommender, user))
        found: dict[str, Any] = {"users": len(some)}
        for name, mode in modes.items():
            for turn, spent in {"first": mode.first[1:], "again": mode.again[1:]}.items():
                p50, p99 = np.quantile(spent, [0.5, 0.99]) * 1000
                found |= {f"{name}_{turn}_p50_ms": round(float(p50), 2), f"{name}_{turn}_p99_ms": round(float(p99), 2)}
            found[f"{name}_knows_at_once"] = knows_at_once(mode.recommender, *some[:2])
            found[f"{name}_kept_s"] = kept_for(name, some[0])
    return found


def seconds(recommender: Recommender, user: int) -> float:
    """Of one answer with 500 candidates."""
    began = time.perf_counter()
    recommender.answer(user, CandidatesQuery(candidates=500))
    return time.perf_counter() - began


def knows_at_once(recommender: Recommender, user: int, other: int) -> bool:
    """Whether a user's vectors change with their features: those of somebody else, under the same id."""
    rows = [recommender.features.users([one]) for one in (user, other)]
    rows[1] = rows[1].set_column(0, "user_id", pa.array([user], pa.int64()))
    vectors = [[channel.user_vectors(row)[0] for _, channel in vector_channels(recommender.models)] for row in rows]
    return all(not np.allclose(mine, theirs) for mine, theirs in zip(*vectors, strict=True))


def kept_for(mode: Mode, user: int) -> int | None:
    """Seconds that a user's vectors of this mode are still kept; 0 where none are, None where they are for good."""
    place = vector_store()
    assert isinstance(place, InRedis)
    ages: Any = [
        place.client.ttl(key) for key in place.client.scan_iter(f"cinefeast:user-vector:{mode}:*:{user}:*", count=1000)
    ]
    return None if -1 in ages else max(ages, default=0)
