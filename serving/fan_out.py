"""Recall with what is there: every channel in its own time, merged whether or not all of them answered."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.columns import arrays
from models.recall.merge import Candidates, merge
from models.two_stage import BROUGHT, TwoStage, of_few
from serving.budget import StageError, Stages

ALONE = 0.05
"""Seconds that a channel has to itself before the next begins: two at once wait for each other's interpreter lock, and
take longer than one after the other. One that hangs keeps the others so long and no longer."""
Lists = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Recalled:
    """Merged candidates of one user, and what was missing."""

    candidates: Candidates
    missing: list[str]
    """Channels that gave nothing, each with why."""


def fan_out(
    stages: Stages,
    models: TwoStage,
    user: pa.Table,
    exclude: np.ndarray,
    size: int,
    silent: frozenset[str] = frozenset(),
) -> Recalled:
    """What the channels but the `silent` ones bring for a user (one row) in recall's time, merged to `size` films.

    A channel that is late or raises is as one that names no film: the ranker's columns of it are those.
    """
    until = time.monotonic() + stages.budgets["recall"]
    begun: dict[str, Any] = {}
    missing = []
    for name, channel in models.channels.items():
        if name in silent:
            continue
        try:
            begun[name] = stages.start(f"recall:{name}", asking(channel, user, exclude, BROUGHT))
            wait([begun[name]], ALONE)
        except StageError as error:
            missing.append(str(error))
    brought: dict[str, Lists] = {name: nothing() for name in models.channels}
    for name, future in begun.items():
        try:
            brought[name] = stages.result(f"recall:{name}", future, until)
        except StageError as error:
            missing.append(str(error))
    few = of_few(arrays(user, "user_seen_movie_ids"))
    return Recalled(merge(brought, models.merging, size, few=few), missing)


def asking(channel: Any, user: pa.Table, exclude: np.ndarray, k: int) -> Callable[[], Lists]:
    """The question to a channel, for another thread."""

    def ask() -> Lists:
        found: Lists = channel.recommend(user, k, [exclude])
        return found

    return ask


def nothing() -> Lists:
    """The list of a channel that names no film."""
    return np.full((1, BROUGHT), -1, np.int64), np.full((1, BROUGHT), -np.inf, np.float32)
