"""When is asked: the one thing about a request that no stored feature tells."""

import time

import numpy as np
import pyarrow as pa

from models.columns import microseconds


def asked_at(users: pa.Table) -> np.ndarray:
    """Seconds since 1970 (n,) int64 at which each row of user features was asked for.

    History carries it as `event_timestamp`; what is read online is asked for now.
    """
    if "event_timestamp" in users.column_names:
        return microseconds(users) // 1_000_000
    return np.full(users.num_rows, int(time.time()), np.int64)
