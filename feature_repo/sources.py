"""The dbt-built marts behind the views, a source each, named after its mart."""

from feature_repo.offline_store.source import WarehouseSource, WindowSource

RECENT = 50
"""How many events the user's recent window holds."""

user_state = WarehouseSource(name="feat_user_state", table="features.feat_user_state")
user_profile = WarehouseSource(name="feat_user_profile", table="features.feat_user_profile")
movie_state = WarehouseSource(name="feat_movie_state", table="features.feat_movie_state")
movie_profile = WarehouseSource(name="feat_movie_profile", table="features.feat_movie_profile")

user_sequence = WindowSource(
    name="feat_user_sequence",
    table="features.feat_user_sequence_position",
    history="features.feat_user_history",
    columns={
        "user_recent_movie_ids": "movie_ids",
        "user_recent_ratings": "ratings",
        "user_recent_timestamps": "timestamps",
    },
    window=RECENT,
)
user_history = WindowSource(
    name="feat_user_history",
    table="features.feat_user_sequence_position",
    history="features.feat_user_history",
    columns={"user_seen_movie_ids": "movie_ids"},
    window=None,
)
