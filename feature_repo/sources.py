"""The dbt-built marts behind the views, a source each, named after its mart."""

from feast import PushSource

from feature_repo.offline_store.source import WarehouseSource, WindowSource

RECENT = 50
"""How many events the user's recent window holds."""

user_state = WarehouseSource(
    name="feat_user_state",
    table="features.feat_user_state",
    versions="features.feat_user_state_versions",
    # functions of dbt's: the mart keeps whole numbers by genre, which are small and can be added to
    computed={
        "user_ratings_per_active_day": "features.user_ratings_per_active_day({user_count_ratings}, {user_days_active})",
        "user_genre_share": "features.user_genre_share({user_genre_counts}, {user_count_ratings})",
        "user_genre_affinity": (
            "features.user_genre_affinity({user_genre_counts}, {user_genre_half_stars}, {user_sum_half_stars},"
            " {user_count_ratings})"
        ),
    },
)
user_profile = WarehouseSource(name="feat_user_profile", table="features.feat_user_profile", created="created_at")
movie_state = WarehouseSource(
    name="feat_movie_state", table="features.feat_movie_state", versions="features.feat_movie_state_versions"
)
movie_recent = WarehouseSource(name="feat_movie_recent", table="features.feat_movie_recent", created="created_at")
movie_influence = WarehouseSource(name="feat_movie_influence", table="features.feat_movie_influence")
movie_profile = WarehouseSource(name="feat_movie_profile", table="features.feat_movie_profile")
movie_people = WarehouseSource(name="feat_movie_people", table="features.feat_movie_people")
movie_origin = WarehouseSource(name="feat_movie_origin", table="features.feat_movie_origin")
movie_text = WarehouseSource(name="feat_movie_text", table="features.feat_movie_text")

user_sequence = WindowSource(
    name="feat_user_sequence",
    table="features.feat_user_state",
    versions="features.feat_user_state_versions",
    position="user_count_ratings",
    history="features.feat_user_history",
    arrivals="features.feat_user_arrivals",
    columns={
        "user_recent_movie_ids": "movie_ids",
        "user_recent_ratings": "ratings",
        "user_recent_timestamps": "timestamps",
    },
    window=RECENT,
)
user_history = WindowSource(
    name="feat_user_history",
    table="features.feat_user_state",
    versions="features.feat_user_state_versions",
    position="user_count_ratings",
    history="features.feat_user_history",
    arrivals="features.feat_user_arrivals",
    columns={
        "user_seen_movie_ids": "movie_ids",
        "user_seen_ratings": "ratings",
        "user_seen_timestamps": "timestamps",
    },
    window=None,
)
ratings = PushSource(
    name="ratings",
    batch_source=WarehouseSource(
        name="fct_ratings",
        table="core.fct_ratings",
        only=["user_id", "movie_id", "rating", "rated_at"],
        timestamp_field="rated_at",
    ),
    description="New ratings. Pushed to the offline store they are landed for the next dbt build.",
)
