"""When is asked: the one thing about a request that no stored feature tells.

History carries it as `event_timestamp`; what is read online is asked for now.
"""

import time
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from models.columns import has, microseconds, ragged

MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (1, 10, MINUTE, 5 * MINUTE, 30 * MINUTE, 3 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)
"""Seconds at which a longer gap begins."""
HOURS, WEEKDAYS, GAPS = 24, 7, len(STEPS) + 2
"""How many values each part of a context has."""


class Context(NamedTuple):
    """A row's moment as three small numbers, int64 (n,) each."""

    hour: np.ndarray
    """0 to 23, UTC."""
    weekday: np.ndarray
    """0 is Monday."""
    gap: np.ndarray
    """Between the last rating and the question: 0 where there is none, else 1 + the number of STEPS reached."""


def context(table: pa.Table) -> Context:
    """The context of each row of user features, historical or online."""
    requested = request_times(table)
    last = last_at(table)
    gap = np.where(last < 0, 0, gap_of(requested - last))
    return Context(requested // HOUR % HOURS, (requested // DAY + 3) % WEEKDAYS, gap)  # 1970 began on a Thursday


def gap_of(seconds: np.ndarray) -> np.ndarray:
    """The step that each gap falls into, 1 to GAPS - 1."""
    return 1 + np.searchsorted(STEPS, seconds, side="right")


def request_times(table: pa.Table) -> np.ndarray:
    """Seconds since 1970, UTC, int64 (n,), at which each row is asked: the present where the row does not say."""
    now = int(time.time())
    if not has(table, "event_timestamp"):
        return np.full(table.num_rows, now)
    column = table.column("event_timestamp")
    known = column.is_valid().to_numpy()
    requested = np.full(table.num_rows, now)
    requested[known] = microseconds(table.filter(pa.array(known))) // 1_000_000
    return requested


def last_at(table: pa.Table) -> np.ndarray:
    """Seconds since 1970, UTC, int64 (n,), of each user's last rating; -1 where there is none."""
    if not has(table, "user_recent_timestamps"):
        return np.full(table.num_rows, -1)
    values, offsets = ragged(table, "user_recent_timestamps")
    last = np.full(table.num_rows, -1)
    held = np.diff(offsets) > 0
    last[held] = values[offsets[1:][held] - 1]
    return last
