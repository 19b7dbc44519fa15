"""Recall with what is there: every channel in its own time, merged whether or not all of them answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.recall.fan_out import BROUGHT, of_few
from models.recall.merge import Candidates, merge
from models.two_stage import TwoStage
from serving.pipeline.user_context import UserContext
from serving.telemetry.deadlines import StageError, Stages

IdsAndScores = tuple[np.ndarray, np.ndarray]
NOTHING: IdsAndScores = np.full((1, BROUGHT), -1, np.int64), np.full((1, BROUGHT), -np.inf, np.float32)
"""The list of a channel that names no film."""


@dataclass(frozen=True)
class Recalled:
    """Merged candidates of one user, and what was missing."""

    candidates: Candidates
    missing: list[str]
    """Channels that gave nothing, each with why."""


def recall_in_time(
    stages: Stages,
    models: TwoStage,
    context: UserContext,
    exclude: np.ndarray,
    size: int,
    disabled_channels: frozenset[str] = frozenset(),
) -> Recalled:
    """What the channels but the `disabled_channels` ones bring for somebody in recall's time, merged to `size` films.

    A channel that is late or raises is as one that names no film: the ranker's columns of it are those.
    """
    until = time.monotonic() + stages.budgets["recall"]
    asked = {name: channel for name, channel in models.channels.items() if name not in disabled_channels}
    begun = stages.start({f"recall:{name}": asking(asked[name], context.row, exclude, BROUGHT) for name in asked})
    brought: dict[str, IdsAndScores] = dict.fromkeys(models.channels, NOTHING)
    missing = []
    for name in asked:
        try:
            brought[name] = stages.result(f"recall:{name}", begun[f"recall:{name}"], until)
        except StageError as error:
            missing.append(str(error))
    few = of_few([context.films("user_seen_movie_ids")])
    return Recalled(merge(brought, models.merging, size, few=few), missing)


def asking(channel: Any, user: pa.Table, exclude: np.ndarray, k: int) -> Callable[[], IdsAndScores]:
    """The question to a channel, for another thread."""

    def ask() -> IdsAndScores:
        found: IdsAndScores = channel.recommend(user, k, [exclude])
        return found

    return ask
