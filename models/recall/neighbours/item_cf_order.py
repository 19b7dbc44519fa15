"""Order-aware ItemCF: the films that others rated soon after what you rated last.

Rendle, Freudenthaler and Schmidt-Thieme, Factorizing personalized Markov chains (WWW 2010), show how much the last
films tell of the next. Here their transitions are counted as they are, forward only, in a window, as session-based
neighbours are (Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018), and damped.
"""

import numpy as np
from scipy import sparse

from models.columns import integers
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.history import in_order
from models.recall.neighbours.neighbours import NeighbourConfig, Neighbours, nearest


class ItemCFOrderConfig(NeighbourConfig):
    """Configuration of order-aware ItemCF."""

    ahead: int
    """How many ratings ahead a transition reaches."""
    decay: float
    """What a transition over one rating more counts, of one over one less."""
    popularity: float
    """Transitions to a film of n ratings are divided by n to the power of this."""
    row: float
    """Transitions from a film are divided by their sum to the power of this."""


class ItemCFOrder(Neighbours):
    """Item-based collaborative filtering on transitions: what came after the films seen, the latest most of all."""

    Config = ItemCFOrderConfig
    config: ItemCFOrderConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Count transitions in every history up to `until`."""
        c = self.config
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        self.films = Ids(np.unique(integers(events, "movie_id")))
        user, film, event_time = in_order(events, self.films)
        counted = transitions(user, film, event_time, len(self.films), c.ahead, c.decay)
        count = np.bincount(film, minlength=len(self.films)).astype(np.float64)
        total = np.maximum(np.asarray(counted.sum(axis=1)).ravel(), 1e-12)
        row = np.repeat(np.arange(len(self.films)), np.diff(counted.indptr))
        counted.data = (counted.data / (total[row] ** c.row * count[counted.indices] ** c.popularity)).astype(
            np.float32
        )
        self.similar = nearest(counted, c.neighbours)
        self.came_from(data, until)


def transitions(
    user: np.ndarray, film: np.ndarray, event_time: np.ndarray, films: int, ahead: int, decay: float
) -> sparse.csr_matrix:
    """Sums (films, films) of decay^(distance - 1) over films of one user at most `ahead` ratings apart, forward.

    Events (n,) come by user and time. Those of one moment are not before each other, so none leads to another.
    """
    counted = sparse.csr_matrix((films, films), dtype=np.float32)
    for distance in range(1, ahead + 1):
        before, after = slice(0, -distance), slice(distance, None)
        leads = (user[before] == user[after]) & (event_time[before] < event_time[after]) & (film[before] != film[after])
        pair = (film[before][leads].astype(np.int32), film[after][leads].astype(np.int32))
        value = np.full(len(pair[0]), decay ** (distance - 1), np.float32)
        counted = counted + sparse.csr_matrix((value, pair), (films, films))
    return counted
