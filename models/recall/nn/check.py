"""How good a channel is on validation while it is trained: full catalogue, films seen removed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.columns import integers
from models.dataset import Dataset
from models.metrics.ranked_lists import list_metrics

KEPT = ("ndcg@10", "hit_rate@10", "recall@50")


@dataclass(frozen=True)
class ValidationEvents:
    """Validation events: who asked, what they chose, what they had seen."""

    users: pa.Table
    targets: list[np.ndarray]
    seen: list[np.ndarray]


def validation_check(data: Dataset, service: str, seed: int, most: int = 2000) -> ValidationEvents:
    """At most `most` events of the validation split, drawn at random, with features of each one's own moment."""
    events = data.interactions("validation")
    drawn = np.random.default_rng(seed).permutation(events.num_rows)[:most]
    events = events.take(np.sort(drawn))
    frame = events.select(["user_id", "event_timestamp"]).to_pandas()
    if not len(frame):
        return ValidationEvents(pa.table({}), [], [])
    return ValidationEvents(
        data.users(service, frame), [np.array([film]) for film in integers(events, "movie_id")], data.seen(frame)
    )


def early_stopping_metrics(channel: Any, check: ValidationEvents) -> dict[str, float]:
    """NDCG@10, HitRate@10 and Recall@50 of what the channel recommends; what it cannot answer is a miss."""
    if not check.targets:
        return dict.fromkeys(KEPT, 0.0)
    ids, _ = channel.recommend(check.users, 50, check.seen)
    found = list_metrics(ids, check.targets)
    return {name: float(found[name].mean()) for name in KEPT}
