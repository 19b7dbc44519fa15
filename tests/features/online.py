"""What is online, against history."""

from typing import Any

import numpy as np
import pandas as pd

from feature_repo.affinity import FILM_COLUMNS, WATCHED, FilmAttributes

NOW = pd.Timestamp("2029-01-01", tz="UTC")
NOBODY = 10**9
KEYS_A_READ = 1000


def compare_online_with_history(store: Any, users: list[int], films: list[int]) -> int:
    """Assert that each feature of each online view and service is the historical one now; returns how many values.

    Every user and every film is asked for, in pairs, and with them a user and a film that nobody knows.
    """
    count = max(len(users), len(films)) + 1
    keys = {"user_id": [NOBODY, *users], "movie_id": [NOBODY, *films]}
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
    past = frame.assign(event_timestamp=NOW)
    present = frame
    if needs_request(store, features):
        past, present = past.assign(**request(store, past)), frame.assign(**request(store, frame))
    historical = store.get_historical_features(past, features).to_arrow().to_pylist()
    online = store.get_online_features(features, present.to_dict("records")).to_dict()
    names = set(historical[0]) - {"event_timestamp", *present.columns}
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


def needs_request(store: Any, features: Any) -> bool:
    """Whether a service has an on-demand view that is given values of the request."""
    if isinstance(features, list):
        return False
    needing = {view.name for view in store.list_on_demand_feature_views() if view.source_request_sources}
    return any(view.name in needing for view in features.feature_view_projections)


def request(store: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """The request's columns, made of features from history where the frame has moments, else of online ones."""
    views = ("movie_profile", "movie_people", "movie_origin", "movie_text")
    wanted = [
        f"{view.name}:{field.name}"
        for view in store.list_batch_feature_views()
        if view.name in views
        for field in view.features
        if field.name in FILM_COLUMNS
    ]

    def read(features: list[str], asked: pd.DataFrame) -> dict[str, list[Any]]:
        if "event_timestamp" in asked:
            return store.get_historical_features(asked, features).to_arrow().to_pydict()
        return store.get_online_features(features, asked.to_dict("records")).to_dict()

    users = frame.drop(columns="movie_id").drop_duplicates("user_id")
    seen = read(["user_history:user_seen_movie_ids"], users)
    latest = {
        user: (ids or [])[-WATCHED:] for user, ids in zip(seen["user_id"], seen["user_seen_movie_ids"], strict=True)
    }
    known = sorted({film for ids in latest.values() for film in ids})
    at = {"event_timestamp": NOW} if "event_timestamp" in frame else {}
    columns = read(wanted, pd.DataFrame({"movie_id": known}).assign(**at))
    films, row = FilmAttributes(columns), {film: n for n, film in enumerate(columns["movie_id"])}
    facts = {user: films.facts(np.array([row[film] for film in ids], int)) for user, ids in latest.items()}
    rows = [facts[user] for user in frame["user_id"]]
    place = np.arange(len(frame)) % 7
    return {
        **{name: [each[name].tolist() for each in rows] for name in rows[0]},
        "asked_at": int(NOW.timestamp()),
        "recall_place": place,
        "recall_ranks": [[int(n), 0] for n in place],
        "recall_scores": [[float(np.float32(n / 7)), 0.0] for n in place],
    }
