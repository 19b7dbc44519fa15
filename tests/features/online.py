"""What is online, against history."""

from typing import Any

import pandas as pd

from tests.fixtures import FixtureData

NOW = pd.Timestamp("2029-01-01", tz="UTC")


def compare_online_with_history(store: Any, data: FixtureData) -> int:
    """Assert that each feature of each online view and each service is the historical one now; how many values."""
    users = sorted({user for user, *_ in data.ratings})
    films = sorted(film.movie_id for film in data.films)
    count = max(len(users), len(films)) + 1  # and somebody, and a film, that nobody knows
    keys = {"user_id": [*users, 10**9], "movie_id": [*films, 10**9]}
    frame = pd.DataFrame({key: (ids * count)[:count] for key, ids in keys.items()})
    compared = 0
    views = [view for view in store.list_batch_feature_views() if view.online]
    for asked in [
        *([f"{view.name}:{field.name}" for field in view.features] for view in views), *store.list_feature_services()
    ]:  # fmt: skip
        historical = store.get_historical_features(frame.assign(event_timestamp=NOW), asked).to_arrow().to_pylist()
        entities = frame.to_dict("records")
        online = store.get_online_features(asked, entities).to_dict()
        for name in set(historical[0]) - {"user_id", "movie_id", "event_timestamp"}:
            for row, entity, value in zip(historical, entities, online[name], strict=True):
                assert equal(value, row[name]), (name, entity, value, row[name])
                compared += 1
    return compared


def equal(online: Any, historical: Any) -> bool:
    """Equal values; a crossed feature that is not known is NaN."""
    if historical is None or online is None:
        return online is None and (historical is None or historical != historical)
    if historical != historical:
        return bool(online != online)
    return bool(online == historical)
