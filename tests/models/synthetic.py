"""A made-up world with a planted structure, behind the part of Feast's FeatureStore that models use.

Films belong to groups and users watch films of one group only, so whoever has learned that must recommend the
user's group. Features are worked out row by row from the ratings strictly before each row's moment: slow and plain,
with no code shared with the warehouse.
"""

from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

GROUPS = 6
PER_GROUP = 30
FLOAT, LONG, LIST = pa.float32(), pa.int64(), pa.list_(pa.int64())

USER_STATE = {
    "user_count_ratings": LONG,
    "user_mean_rating": FLOAT,
    "user_std_rating": FLOAT,
    "user_last_rating": FLOAT,
    "user_seconds_since_previous": pa.float64(),
}
USER_PROFILE = {
    "user_index": LONG,
    "user_age": LONG,
    "user_gender": pa.string(),
    "user_occupation": pa.string(),
    "user_days_active": LONG,
    "user_ratings_per_active_day": FLOAT,
    "user_genre_share": pa.list_(FLOAT),
    "user_genre_affinity": pa.list_(FLOAT),
}
MOVIE_STATE = {
    "movie_count_ratings": LONG,
    "movie_count_ratings_90d": LONG,
    "movie_mean_rating": FLOAT,
    "movie_std_rating": FLOAT,
    "movie_director_influence": FLOAT,
    "movie_cast_influence": FLOAT,
}
MOVIE_PROFILE = {
    "movie_index": LONG,
    "movie_year": LONG,
    "movie_runtime": LONG,
    "movie_budget": FLOAT,
    "movie_genres": LIST,
}
VIEWS = {
    "user_state": USER_STATE,
    "user_profile": USER_PROFILE,
    "user_sequence": {
        "user_recent_movie_ids": LIST,
        "user_recent_ratings": pa.list_(FLOAT),
        "user_recent_timestamps": LIST,
    },
    "user_history": {
        "user_seen_movie_ids": LIST,
        "user_seen_ratings": pa.list_(FLOAT),
        "user_seen_timestamps": LIST,
    },
    "movie_state": MOVIE_STATE,
    "movie_profile": MOVIE_PROFILE,
    "movie_people": {"movie_director_ids": LIST, "movie_cast_ids": LIST, "movie_keyword_ids": LIST},
    "movie_text": {"movie_text_embedding": pa.list_(FLOAT)},
    "movie_origin": {"movie_countries": pa.list_(pa.string()), "movie_language": pa.string()},
}
TYPES = {name: kind for view in VIEWS.values() for name, kind in view.items()}
SERVICES = {
    "recall_item_cf_v1": ["user_sequence"],
    "recall_two_tower_v1": ["user_state", "user_profile", "user_sequence", "movie_profile", "movie_state"],
    "recall_two_tower_v2": [
        "user_state", "user_profile", "user_sequence", "movie_profile", "movie_people", "movie_state", "movie_text",
    ],
    "recall_history_v1": ["user_history"],
    "recall_sequence_v1": ["user_history", "movie_profile", "movie_text"],
    "recall_content_v1": ["user_sequence", "movie_profile", "movie_people", "movie_text"],
    "recall_graph_v1": ["user_history", "movie_profile", "movie_people"],
    "seen_v1": ["user_history"],
    "rank_unified_v1": [
        "user_state", "user_profile", "user_history", "movie_state", "movie_profile", "movie_people", "movie_origin",
        "movie_text",
    ],
}  # fmt: skip


def group_of(movie_id: int) -> int:
    """The planted group of a film."""
    return (movie_id - 1000) // PER_GROUP


def planted(users: int = 150, seed: int = 0) -> pd.DataFrame:
    """Ratings: each user starts on a day of a year and watches 18 films of one group, some hours apart."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(1, users + 1):
        group = user % GROUPS
        start = pd.Timestamp("2020-01-01") + pd.Timedelta(days=int(rng.integers(365)))
        for nth, film in enumerate(rng.choice(PER_GROUP, 18, replace=False)):
            at = start + pd.Timedelta(hours=5 * nth, minutes=int(rng.integers(60)))
            rows.append((user, 1000 + group * PER_GROUP + int(film), at, float(rng.integers(1, 6))))
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "event_timestamp", "rating"])


def other_future(ratings: pd.DataFrame) -> pd.DataFrame:
    """The same ratings up to the test split, then other users, films and ratings at the same moments."""
    rng = np.random.default_rng(7)
    ratings = ratings.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    later = ratings.index >= 0.9 * len(ratings)
    n = int(later.sum())
    ratings.loc[later, "user_id"] = rng.integers(500, 520, n)
    ratings.loc[later, "movie_id"] = 1000 + rng.integers(0, GROUPS * PER_GROUP, n)
    ratings.loc[later, "rating"] = 0.5
    return ratings


class PlantedStore:
    """`get_feature_service` and `get_historical_features` over ratings in memory."""

    def __init__(self, ratings: pd.DataFrame) -> None:
        labels = ratings.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
        labels["rating_id"] = labels.index
        place = labels.index.to_numpy() / len(labels)
        labels["split_time"] = np.select([place < 0.8, place < 0.9], ["train", "validation"], "test")
        left = labels.groupby("user_id").cumcount(ascending=False)
        labels["split_loo"] = np.select([left == 0, left == 1], ["test", "validation"], "train")
        films = pd.DataFrame({"movie_id": np.arange(1000, 1000 + GROUPS * PER_GROUP)})
        self.database = duckdb.connect()
        self.database.execute("CREATE SCHEMA training; CREATE SCHEMA core")
        self.database.register("labels", labels)
        self.database.register("films", films)
        self.database.execute("CREATE TABLE training.training_labels AS FROM labels")
        self.database.execute("CREATE TABLE core.dim_movies AS FROM films")
        self.of_user = dict(list(labels.groupby("user_id")))
        self.of_film = dict(list(labels.groupby("movie_id")))
        self.services = {name: {view: dict(VIEWS[view]) for view in views} for name, views in SERVICES.items()}
        self.services["recall_genre_v1"] = {
            "user_state": {"user_genre_share": TYPES["user_genre_share"]},
            "movie_profile": {"movie_index": LONG, "movie_genres": LIST},
        }
        self.services["interactions_v1"] = {
            "user_profile": {"user_index": LONG},
            "movie_profile": {"movie_index": LONG},
        }

    def get_feature_service(self, name: str) -> Any:
        """A service as Feast describes it: projections with named, typed fields."""
        return SimpleNamespace(
            feature_view_projections=[
                SimpleNamespace(name=view, features=[SimpleNamespace(name=n, dtype=t) for n, t in fields.items()])
                for view, fields in self.services[name].items()
            ]
        )

    def get_historical_features(
        self, entity_df: pd.DataFrame | str, features: Any, filter_by_created_timestamp: bool = False
    ) -> Any:
        """The entity frame with its features, as an object with `to_arrow`. Nothing here came late."""
        if isinstance(entity_df, str):
            entity_df = self.database.sql(entity_df).df()
        names = (
            [reference.split(":")[1] for reference in features]
            if isinstance(features, list)
            else [field.name for view in features.feature_view_projections for field in view.features]
        )
        table = pa.Table.from_pandas(entity_df, preserve_index=False)
        rows = [self._row(line) for line in entity_df.to_dict("records")]
        for name in names:
            table = table.append_column(name, pa.array([row.get(name) for row in rows], TYPES[name]))
        stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(1000))
        return SimpleNamespace(to_arrow=lambda: table, to_reader=lambda rows: stream)

    def _row(self, line: dict[str, Any]) -> dict[str, Any]:
        moment = pd.Timestamp(line["event_timestamp"]).tz_localize(None)
        user = _before(self.of_user.get(line.get("user_id")), moment)
        found = {} if user is None else _user(line["user_id"], user)
        if "movie_id" in line:
            film = _before(self.of_film.get(line["movie_id"]), moment)
            found |= _film(line["movie_id"], film, moment)
        return found


def _before(events: pd.DataFrame | None, moment: pd.Timestamp) -> dict[str, np.ndarray] | None:
    if events is None:
        return None
    n = int(events["event_timestamp"].searchsorted(moment, side="left"))
    return {name: events[name].to_numpy()[:n] for name in events} if n else None


def _user(user_id: int, past: dict[str, np.ndarray]) -> dict[str, Any]:
    ratings, films, times = past["rating"], past["movie_id"], past["event_timestamp"]
    share = np.bincount([group_of(film) for film in films], minlength=GROUPS) / len(films)
    gap = (times[-1] - times[-2]) / np.timedelta64(1, "s") if len(times) > 1 else None
    return {
        "user_count_ratings": len(ratings), "user_mean_rating": ratings.mean(), "user_std_rating": ratings.std(),
        "user_last_rating": ratings[-1], "user_seconds_since_previous": gap, "user_index": user_id - 1,
        "user_age": None, "user_gender": "F" if user_id % 2 else "M", "user_occupation": None,
        "user_days_active": len(np.unique(times.astype("datetime64[D]"))), "user_ratings_per_active_day": 5.0,
        "user_genre_share": share, "user_genre_affinity": share - share.mean(),
        "user_recent_movie_ids": films[-50:], "user_recent_ratings": ratings[-50:],
        "user_recent_timestamps": times[-50:].astype("datetime64[s]").astype(np.int64),
        "user_seen_movie_ids": films, "user_seen_ratings": ratings,
        "user_seen_timestamps": times.astype("datetime64[s]").astype(np.int64),
    }  # fmt: skip


def _film(movie_id: int, past: dict[str, np.ndarray] | None, moment: pd.Timestamp) -> dict[str, Any]:
    profile = {"movie_index": movie_id - 1000, "movie_year": 1990, "movie_genres": [group_of(movie_id)]}
    profile |= _metadata(movie_id)
    if past is None:
        return profile | {"movie_count_ratings": 0, "movie_count_ratings_90d": 0}
    ratings = past["rating"]
    late = int((past["event_timestamp"] >= np.datetime64(moment - pd.Timedelta(days=90))).sum())
    state = {"movie_count_ratings": len(ratings), "movie_count_ratings_90d": late}
    return profile | state | {"movie_mean_rating": ratings.mean(), "movie_std_rating": ratings.std()}


def _metadata(movie_id: int) -> dict[str, Any]:
    """A text near those of its group, the group's director and two of its actors; of a group's last film nothing."""
    group, nth = divmod(movie_id - 1000, PER_GROUP)
    if nth == PER_GROUP - 1:
        return {}
    vector = np.random.default_rng(movie_id).normal(scale=0.1, size=8)
    vector[group] += 1.0
    return {
        "movie_director_ids": [500 + group], "movie_cast_ids": [600 + 10 * group + nth % 3, 605 + 10 * group],
        "movie_countries": [["US"], ["FR", "US"]][nth % 2], "movie_language": ["en", "fr"][nth % 2],
        "movie_keyword_ids": [-1 - nth % 5], "movie_text_embedding": (vector / np.linalg.norm(vector)).tolist(),
    }  # fmt: skip
