"""What all channels bring for users, and the one list of candidates that it becomes."""

import numpy as np
import pyarrow as pa

from models.recall.base import Recaller
from models.recall.merge import Candidates, ChannelLists, merge
from models.recall.merging import WARM, Merging

BROUGHT = 500
"""How many films each channel brings before they are merged."""


def fan_out(
    channels: dict[str, Recaller],
    merging: Merging,
    users: pa.Table,
    exclude: list[np.ndarray],
    size: int,
) -> Candidates:
    """What all channels bring for each user, merged to `size` films."""
    return merge(brought_by(channels, users, exclude), merging, size, few=of_few(exclude))


def brought_by(channels: dict[str, Recaller], users: pa.Table, exclude: list[np.ndarray]) -> ChannelLists:
    """What each channel brings for each user."""
    return {name: channel.recommend(users, BROUGHT, exclude) for name, channel in channels.items()}


def of_few(seen: list[np.ndarray]) -> np.ndarray:
    """Who has rated too few films to be warm (n,), by the films each has rated."""
    return np.array([len(films) < WARM for films in seen], bool)
