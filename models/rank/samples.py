"""Training samples for the ranker, made as serving will meet them.

Recall channels that know only the train split bring candidates for events of the validation window, each with the
features of the event's own moment. The film that the user rated is the positive, other candidates are negatives.
Events whose film recall did not bring are left out: the ranker will never see such a film.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.columns import integers
from models.dataset import Dataset
from models.ids import Ids
from models.rank.features import PairFeatures, recall_columns
from models.recall.merging import Merging
from models.two_stage import fan_out


@dataclass(frozen=True)
class Samples:
    """Groups of one positive and its negatives, in order of time."""

    rows: np.ndarray
    """(g, 1 + negatives, width) float32, the positive first."""
    held_out: int
    """How many groups at the end are kept from training."""
    features: PairFeatures
    """The encoder that made the rows."""


def make_samples(data: Dataset, channels: dict[str, Any], merging: Merging, config: Any) -> Samples:
    """Samples from the latest events of the validation window."""
    events = data.interactions("validation").sort_by([("event_timestamp", "ascending"), ("rating_id", "ascending")])
    events = events.slice(max(0, events.num_rows - config.events))
    frame = events.select(["user_id", "event_timestamp"]).to_pandas()
    users = data.users([config.service, *(channel.config.service for channel in channels.values())], frame)
    candidates = fan_out(channels, merging, users, data.seen(frame), size=500)
    target = integers(events, "movie_id")
    place = np.where(candidates.ids == target[:, None], np.arange(candidates.ids.shape[1]), -1).max(axis=1)
    filled = (candidates.ids >= 0).sum(axis=1)
    groups = np.flatnonzero((place >= 0) & (filled > config.negatives))
    places = draw(place[groups], filled[groups], config.negatives, np.random.default_rng(config.seed))  # (g, 1 + neg)
    chosen = np.take_along_axis(candidates.ids[groups], places, axis=1)
    films, film = films_at(data, config.service, chosen, frame["event_timestamp"].to_numpy()[groups])
    user = np.repeat(groups, chosen.shape[1])
    recall = recall_columns(candidates, list(channels))[user, places.ravel()]
    features = PairFeatures(config, list(channels), data.store)
    crossed = features.crossed(users, films, user, film)
    held_out = len(groups) // 5
    features.fit(users, films, crossed)
    rows = features(users, films, user, film, recall, crossed)
    return Samples(rows.reshape(len(groups), chosen.shape[1], -1), held_out, features)


def draw(place: np.ndarray, filled: np.ndarray, negatives: int, rng: np.random.Generator) -> np.ndarray:
    """Places in each candidate list: the positive's, then `negatives` others, uniform and without repetition."""
    drawn = np.empty((len(place), 1 + negatives), np.int64)
    for group, (positive, size) in enumerate(zip(place, filled, strict=True)):
        others = rng.choice(size - 1, negatives, replace=False)
        drawn[group] = [positive, *(others + (others >= positive))]
    return drawn


def films_at(data: Dataset, service: str, movie_ids: np.ndarray, moments: np.ndarray) -> tuple[Any, np.ndarray]:
    """The films' half of a service at each row's own moment, and the row of each (movie_id, moment), flattened.

    `movie_ids` (g, c) with -1 for none, `moments` (g,). A (film, moment) is read once.
    """
    pairs = pd.DataFrame({"movie_id": movie_ids.ravel(), "event_timestamp": np.repeat(moments, movie_ids.shape[1])})
    code, _ = pd.factorize(pd.MultiIndex.from_frame(pairs))
    first = pd.Series(code).drop_duplicates().index
    films = data.films(service, pairs.iloc[first].reset_index(drop=True))
    return films, code


def catalogue_ids(films: Any) -> Ids:
    """The films of a catalogue table, by row."""
    return Ids(integers(films, "movie_id"))
