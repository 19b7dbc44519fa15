"""What models are chosen by: channels fitted on `train`, asked about validation events. Never the test split."""

from collections.abc import Iterable

import numpy as np

from dbt_project.errors import CineFeastError
from models.dataset import Dataset
from models.evaluation import cases
from models.metrics.ranked_lists import list_metrics
from models.recall.base import Recaller
from models.recall.fan_out import BROUGHT
from models.recall.merging import WARM

SAMPLE = 2000
"""How many validation events are asked about if nothing else is said."""


class Validation:
    """Validation events of users with five earlier ratings, each asked for at its own moment, as in streaming.

    Of the time split at most `sample` events: one of every user before a second of anyone. Of leave-one-out the
    one validation event of each user, of at most `sample` users.

    services: the Feast services of the channels that will be asked
    few: ask for users with fewer than five earlier ratings instead
    """

    def __init__(
        self, data: Dataset, services: Iterable[str], sample: int = SAMPLE, seed: int = 0, few: bool = False
    ) -> None:
        events = cases.held_out(data, "validation")
        drawn = cases.spread(events[(events["earlier"] < WARM) == few], sample, seed)
        if not len(drawn.frame):
            whom = "fewer than five" if few else "five"
            raise CineFeastError(
                f"no user of the validation split has {whom} earlier ratings", "fetch a larger data set"
            )
        self.targets = drawn.targets
        self.users = data.users(services, drawn.frame)
        self.seen = data.seen(drawn.frame)

    def lists(self, channel: Recaller) -> tuple[np.ndarray, np.ndarray]:
        """The 500 films that a channel of the train split brings for each event: ids and scores (n, 500)."""
        return channel.recommend(self.users, BROUGHT, self.seen)

    def metrics(self, channel: Recaller) -> dict[str, float]:
        """Every ranking metric of a channel of the train split, averaged over the events."""
        measured = list_metrics(self.lists(channel)[0], self.targets)
        return {metric: float(values.mean()) for metric, values in measured.items()}
