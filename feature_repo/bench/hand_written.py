"""What is asked for, as feature references and as the DuckDB SQL that somebody who knows DuckDB writes for it."""

SCALARS = {
    "user_state": [
        "user_count_ratings",
        "user_mean_rating",
        "user_std_rating",
        "user_last_rating",
        "user_seconds_since_previous",
        "user_days_active",
    ],
    "movie_state": [
        "movie_count_ratings",
        "movie_mean_rating",
        "movie_std_rating",
        "movie_count_ratings_90d",
    ],
}
LISTS = {
    "user_state": ["user_genre_share", "user_genre_affinity"],
    "user_sequence": ["user_recent_movie_ids", "user_recent_ratings", "user_recent_timestamps"],
    "movie_profile": ["movie_genres"],
}

SCALAR_SQL = """
    select
        labels.user_id,
        labels.movie_id,
        labels.event_timestamp,
        labels.rating,
        users.user_count_ratings,
        users.user_mean_rating,
        users.user_std_rating,
        users.user_last_rating,
        users.user_seconds_since_previous,
        users.user_days_active,
        movies.movie_count_ratings,
        movies.movie_mean_rating,
        movies.movie_std_rating,
        movies.movie_count_ratings_90d
    from ({labels}) as labels
    asof left join features.feat_user_state as users
        on users.user_id = labels.user_id and labels.event_timestamp >= users.event_timestamp
    asof left join features.feat_movie_state as movies
        on movies.movie_id = labels.movie_id and labels.event_timestamp >= movies.event_timestamp
"""

# The ASOF join would sort the lists that it carries, so they are looked up afterwards.
LIST_SQL = """
    with hits as (
        select
            labels.*,
            users.rowid as user_row,
            users.user_count_ratings,
            users.user_mean_rating,
            users.user_std_rating,
            users.user_last_rating,
            users.user_seconds_since_previous,
            users.user_days_active,
            movies.movie_count_ratings,
            movies.movie_mean_rating,
            movies.movie_std_rating,
            movies.movie_count_ratings_90d
        from ({labels}) as labels
        asof left join features.feat_user_state as users
            on users.user_id = labels.user_id and labels.event_timestamp >= users.event_timestamp
        asof left join features.feat_movie_state as movies
            on movies.movie_id = labels.movie_id and labels.event_timestamp >= movies.event_timestamp
    )

    select
        hits.* exclude (user_row),
        list_transform(users.user_genre_counts, lambda n: (n / users.user_count_ratings)::float) as user_genre_share,
        list_transform(
            users.user_genre_counts,
            lambda n, genre: (
                (
                    users.user_genre_half_stars[genre] / 2.0
                    - n * (users.user_sum_half_stars / (2.0 * users.user_count_ratings))
                ) / (n + 5.0)
            )::float
        ) as user_genre_affinity,
        histories.movie_ids[greatest(hits.user_count_ratings - 49, 1):hits.user_count_ratings] as user_recent_movie_ids,
        histories.ratings[greatest(hits.user_count_ratings - 49, 1):hits.user_count_ratings] as user_recent_ratings,
        histories.timestamps[greatest(hits.user_count_ratings - 49, 1):hits.user_count_ratings]
            as user_recent_timestamps,
        profiles.movie_genres
    from hits
    left join features.feat_user_state as users on users.rowid = hits.user_row
    left join features.feat_user_history as histories on histories.user_id = hits.user_id
    left join features.feat_movie_profile as profiles
        on profiles.movie_id = hits.movie_id and profiles.event_timestamp <= hits.event_timestamp
"""


def references(has_lists: bool) -> list[str]:
    """The features as Feast names them."""
    asked = [*SCALARS.items(), *(LISTS.items() if has_lists else [])]
    return [f"{view}:{feature}" for view, features in asked for feature in features]


def names(has_lists: bool) -> list[str]:
    """The columns of the result, in both."""
    return [
        "user_id",
        "movie_id",
        "event_timestamp",
        "rating",
        *(reference.split(":")[1] for reference in references(has_lists)),
    ]
