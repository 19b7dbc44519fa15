"""What is online, against history."""

from typing import Any

import pandas as pd

NOW = pd.Timestamp("2029-01-01", tz="UTC")
NOBODY = 10**9
KEYS_A_READ = 1000


def compare_online_with_history(store: Any, users: list[int], films: list[int]) -> int:
    """Assert that each feature of each online view and service is the historical one now; returns how many values.

    Every user and every film is asked for, in pairs, and with them a user and a film that nobody knows.
    """
    count = max(len(users), len(films)) + 1
    keys = {"user_id": [*users, NOBODY], "movie_id": [*films, NOBODY]}
    frame = pd.DataFrame({key: (ids * (count // len(ids) + 1))[:count] for key, ids in keys.items()})
    views = [view for view in store.list_batch_feature_views() if view.online]
    asked = [[f"{view.name}:{field.name}" for field in view.features] for view in views]
    return sum(
        compare(store, features, frame[first : first + KEYS_A_READ])
        for features in [*asked, *store.list_feature_services()]
        for first in range(0, count, KEYS_A_READ)
    )


def compare(store: Any, features: Any, frame: pd.DataFrame) -> int:
    """The same for some features and keys."""
    historical = store.get_historical_features(frame.assign(event_timestamp=NOW), features).to_arrow().to_pylist()
    online = store.get_online_features(features, frame.to_dict("records")).to_dict()
    names = set(historical[0]) - {"user_id", "movie_id", "event_timestamp"}
    for name in names:
        for row, value in zip(historical, online[name], strict=True):
            assert equal(value, row[name]), (name, row["user_id"], row["movie_id"], value, row[name])
    return len(names) * len(historical)


def equal(online: Any, historical: Any) -> bool:
    """Equal values; a crossed feature that is not known is NaN."""
    if historical is None or online is None:
        return online is None and (historical is None or historical != historical)
    if historical != historical:
        return bool(online != online)
    return bool(online == historical)
