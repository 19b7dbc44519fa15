"""What became of each event, and how long reads took."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np

from tests.bulkhead.clients import FIRST_USER
from tests.bulkhead.setup import WRITE_KEY

Key = tuple[str, int, int]
"""Kind of event, user and film: no client sends one twice but for sending an event again."""
ONLINE = {
    "rating": "user_seen_movie_ids",
    "watch": "user_watched_movie_ids",
    "click": "user_clicked_movie_ids",
    "hide": "user_hidden_movie_ids",
}


def key(event: dict[str, Any]) -> Key:
    """What tells an event from all others."""
    return event["kind"], event["user_id"], event["movie_id"]


def built(root: Path) -> Counter[Key]:
    """How often the warehouse has each event."""
    query = f"""
        select 'rating', user_id, movie_id from core.fct_ratings where user_id >= {FIRST_USER}
        union all select kind, user_id, movie_id from core.fct_feedback where user_id >= {FIRST_USER}
    """
    with duckdb.connect(str(root / "warehouse" / "cinefeast.duckdb"), read_only=True) as connection:
        return Counter(connection.execute(query).fetchall())


def online(client: httpx.Client, users: set[int]) -> set[Key]:
    """What the features say now that these users did."""
    found: set[Key] = set()
    for user in sorted(users):
        answer = client.get(f"/v1/users/{user}/features", headers=WRITE_KEY)
        if answer.status_code == 404:  # nothing of theirs was taken, or it was in a ledger that was damaged
            continue
        features = answer.raise_for_status().json()["features"]
        found |= {(kind, user, film) for kind, name in ONLINE.items() for film in features[name] or []}
    return found


@dataclass(frozen=True)
class Account:
    """Three numbers that are to be 0, and how many events they are about."""

    acknowledged: int
    lost: int
    doubled: int
    online: int
    online_not_built: int

    @classmethod
    def of(cls, acknowledged: list[dict[str, Any]], online: set[Key], built: Counter[Key]) -> "Account":
        """Of what clients were told, what was online before the build, and what is in it."""
        told = {key(event) for event in acknowledged}
        doubled = sum(count > 1 for count in built.values())
        return cls(len(told), len(told - built.keys()), doubled, len(online), len(online - built.keys()))


def milliseconds(reads: list[tuple[float, float]], since: float, until: float, name: str) -> dict[str, float]:
    """Quantiles of the reads that began within a time, those that were never answered included."""
    spent = np.array([seconds for began, seconds in reads if since <= began < until])
    p50, p99 = np.quantile(spent, [0.5, 0.99]) * 1000
    return {
        f"{name}_reads": len(spent),
        f"{name}_p50_ms": round(p50, 1),
        f"{name}_p99_ms": round(p99, 1),
        f"{name}_max_ms": round(float(spent.max()) * 1000),
    }
