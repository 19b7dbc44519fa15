"""Whom a protocol asks about, as of when, and which films would have been right."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.columns import integers
from models.dataset import Dataset, Split
from models.ids import Ids
from models.metrics.ranked_lists import Rated
from models.recall.merging import WARM

COLD_FILM = 10
"""A film with fewer ratings before the cut-off is cold."""
DRAWS = 5
"""How often one later film is drawn for each user."""


@dataclass(frozen=True)
class Cases:
    """The questions of one protocol (or one draw of it), a row a user."""

    frame: pd.DataFrame
    """user_id, event_timestamp: features are as of then."""
    targets: list[np.ndarray]
    """The films that count as hits."""


def held_out(data: Dataset, split: Split = "test") -> pd.DataFrame:
    """Events of a split in order, each with the number of the user's ratings strictly before its moment."""
    events = data.interactions().to_pandas().sort_values(["event_timestamp", "rating_id"], kind="stable")
    # ratings of the very same second are not before it
    events["earlier"] = events.groupby("user_id")["event_timestamp"].rank(method="min").astype(int) - 1
    return events[events[data.split_column] == split].reset_index(drop=True)


def rated_before(data: Dataset) -> Rated:
    """How often each film was rated before the test split."""
    events = data.interactions("train", "validation")
    films, counts = np.unique(integers(events, "movie_id"), return_counts=True)
    return Rated(Ids(films), counts, len(np.unique(integers(events, "user_id"))))


def of_cold_films(test: pd.DataFrame, rated: Rated) -> pd.DataFrame:
    """The events whose film has fewer than ten ratings before the cut-off."""
    return test[rated.of(test["movie_id"].to_numpy()) < COLD_FILM]


def streaming(test: pd.DataFrame, seed: int, warm: bool = True) -> Cases:
    """One later film a user, drawn at random, asked for at its own moment: what a live system faces."""
    able = test[(test["earlier"] >= WARM) == warm]
    return one_each(able, able["event_timestamp"], seed)


def frozen_one(data: Dataset, test: pd.DataFrame, seed: int) -> Cases:
    """One later film a warm user, drawn at random, asked for at the cut-off."""
    able = test[test["user_id"].isin(warm_users(data))]
    return one_each(able, pd.Series(cut_off(data), index=able.index), seed)


def frozen_all(data: Dataset, test: pd.DataFrame) -> Cases:
    """All later films of a warm user, asked for at the cut-off. HitRate saturates here: compare Recall."""
    able = test[test["user_id"].isin(warm_users(data))]
    targets = able.groupby("user_id")["movie_id"].apply(lambda films: films.unique())
    frame = pd.DataFrame({"user_id": targets.index.to_numpy(), "event_timestamp": cut_off(data)})
    return Cases(frame, list(targets))


def leave_one_out(test: pd.DataFrame) -> Cases:
    """Every user's last film, asked for at its own moment."""
    return one_each(test, test["event_timestamp"], 0)


def spread(events: pd.DataFrame, most: int, seed: int) -> Cases:
    """At most `most` events, each asked for at its own moment: one of every user first, then a second, and so on."""
    drawn = events.sample(frac=1.0, random_state=seed)
    drawn = drawn.iloc[np.argsort(drawn.groupby("user_id").cumcount().to_numpy(), kind="stable")[:most]]
    drawn = drawn.sort_values(["user_id", "event_timestamp", "rating_id"])
    frame = drawn[["user_id", "event_timestamp"]].reset_index(drop=True)
    return Cases(frame, [np.array([film]) for film in drawn["movie_id"]])


def one_each(able: pd.DataFrame, moments: pd.Series, seed: int) -> Cases:
    """One row of each user, drawn at random."""
    drawn = able.assign(event_timestamp=moments).sample(frac=1.0, random_state=seed).drop_duplicates("user_id")
    drawn = drawn.sort_values("user_id")
    return Cases(
        drawn[["user_id", "event_timestamp"]].reset_index(drop=True), [np.array([film]) for film in drawn["movie_id"]]
    )


def warm_users(data: Dataset) -> np.ndarray:
    """Users with at least five ratings before the cut-off."""
    before = data.interactions("train", "validation")["user_id"].to_numpy()
    users, counts = np.unique(before, return_counts=True)
    return users[counts >= WARM]


def cut_off(data: Dataset) -> pd.Timestamp:
    """The moment of the test split's first event, as the labels tell time: naive UTC."""
    return pd.Timestamp(data.cut_off("validation")).tz_localize(None)
