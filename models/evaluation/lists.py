"""Whole lists for rankers: what recall shows for each case, made into pairs once and scored by any ranker."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.columns import numbers
from models.dataset import Dataset, Split
from models.evaluation import cases
from models.evaluation.cases import Cases
from models.evaluation.protocols import Protocol, ordered
from models.ids import Ids
from models.metrics.ranked_lists import Rated
from models.rank.samples.maker import events_of
from models.rank.samples.pairs import Pairs
from models.recall.fan_out import BROUGHT, of_few
from models.recall.merge import Candidates, ChannelLists, merge
from models.recall.merging import Merging
from models.two_stage import TwoStage


@dataclass(frozen=True)
class Shown:
    """One draw of cases with the 500 films that recall brings for each, as pairs."""

    cases: Cases
    brought: ChannelLists
    merged: Candidates
    rows: np.ndarray
    """(n, c) each candidate's row in the pairs' films, -1 for none."""
    pairs: Pairs
    ratings: np.ndarray
    """(n,) ratings that each user had given."""

    def ranked(self, models: TwoStage) -> np.ndarray:
        """The candidates (n, c) in a ranker's order, -1 after the last."""
        return ordered(models, self.merged, self.rows, self.pairs)


class Shower:
    """Shows cases to channels; features are as of each case's own moment."""

    def __init__(self, data: Dataset, channels: dict[str, Any], merging: Merging, ranker: Any) -> None:
        """`ranker` tells the service that candidates are read by: all rankers have the same one."""
        self.data = data
        self.models = TwoStage(channels, ranker, merging)
        self.protocol = Protocol(data, channels, self.models, Rated(Ids(np.empty(0, np.int64)), np.empty(0), 1), 1)

    def show(self, drawn: Cases) -> Shown:
        """Recall for these cases."""
        users, seen = self.data.users(self.protocol.services, drawn.frame), self.data.seen(drawn.frame)
        brought = {n: channel.recommend(users, BROUGHT, seen) for n, channel in self.models.channels.items()}
        merged = merge(brought, self.models.merging, BROUGHT, few=of_few(seen))
        films, rows = self.protocol.films_now(drawn, merged)
        pairs = self.protocol.pairs(users, films, merged, rows)
        return Shown(drawn, brought, merged, rows, pairs, np.nan_to_num(numbers(users, "user_count_ratings")))


def held_back(data: Dataset, config: Any, most: int, seed: int = 0, split: Split = "validation") -> Cases:
    """At most `most` of the events that training kept for its judge: the last fifth of the samples' window.

    What choices between rankers are judged by; users with fewer than five earlier ratings are left out.
    """
    events = events_of(data, config, split)
    earlier = cases.held_out(data, split).set_index("rating_id")["earlier"]
    late = events.slice(events.num_rows - events.num_rows // 5).to_pandas()
    late = late[late["rating_id"].map(earlier) >= cases.WARM]
    return cases.spread(pd.DataFrame(late), most, seed)
