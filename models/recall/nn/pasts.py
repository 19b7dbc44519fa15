"""What lies before each event of a history: the examples of channels that pool or group a user's past."""

import numpy as np

from models.recall.nn.histories import Flat


class Pasts:
    """Every event that has a past, as an example: the film to name, after what its user had rated before.

    event: its position (p,) in `flat`
    cut: the stretch (p, 2) of at most `width` events strictly before its second
    """

    def __init__(self, flat: Flat, width: int) -> None:
        self.flat = flat
        self.event = np.flatnonzero(flat.before >= 0)
        end = flat.before[self.event] + 1
        user = np.searchsorted(flat.offsets, self.event, side="right") - 1
        self.cut = np.stack([np.maximum(end - width, flat.offsets[user]), end], axis=1)

    def batches(self, size: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The examples in a new order, at most `size` in a batch."""
        return np.array_split(rng.permutation(len(self.event)), -(-len(self.event) // size))

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pasts (b, t) of these examples, newest first, and the rows (b,) of the films to name."""
        return newest_first(self.flat, self.cut[rows]), self.flat.films[self.event[rows]] - 1


def newest_first(flat: Flat, cut: np.ndarray) -> np.ndarray:
    """The film rows of stretches (b, 2) as (b, t), the newest first, 0 for padding."""
    size = cut[:, 1] - cut[:, 0]
    back = np.arange(max(int(size.max(initial=1)), 1))
    held = back < size[:, None]
    at = np.where(held, cut[:, 1:] - 1 - back, 0)
    return np.where(held, flat.films[at] if len(flat.films) else 0, 0)
