"""What lies before each event of a history: the examples of channels that pool or group a user's past."""

import numpy as np

from models.recall.nn.histories import Flat


def pasts(flat: Flat, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Every event that has a past: its position (p,) in `flat`, and the stretch (p, 2) of at most `width` events
    strictly before its second."""
    event = np.flatnonzero(flat.before >= 0)
    end = flat.before[event] + 1
    user = np.searchsorted(flat.offsets, event, side="right") - 1
    return event, np.stack([np.maximum(end - width, flat.offsets[user]), end], axis=1)


def newest_first(flat: Flat, cut: np.ndarray) -> np.ndarray:
    """The film rows of stretches (b, 2) as (b, t), the newest first, 0 for padding."""
    size = cut[:, 1] - cut[:, 0]
    back = np.arange(max(int(size.max(initial=1)), 1))
    held = back < size[:, None]
    at = np.where(held, cut[:, 1:] - 1 - back, 0)
    return np.where(held, flat.films[at] if len(flat.films) else 0, 0)
