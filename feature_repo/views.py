"""Feature views, one a mart. A view's rows are stamped with the moment from which they may be known."""

import entities
import sources
from feast import FeatureView, Field
from feast.types import Array, Float32, Float64, Int64, String

user_state = FeatureView(
    name="user_state",
    entities=[entities.user],
    source=sources.user_state,
    description="What a user's ratings add up to after each second in which they rated.",
    tags={"grain": "user, event_timestamp", "mart": "feat_user_state"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="user_count_ratings", dtype=Int64, description="ratings so far"),
        Field(name="user_mean_rating", dtype=Float32, description="mean rating so far, 0.5 to 5"),
        Field(name="user_std_rating", dtype=Float32, description="spread of the ratings so far"),
        Field(name="user_last_rating", dtype=Float32, description="the last rating given"),
        Field(
            name="user_seconds_since_previous",
            dtype=Float64,
            description="between the last two moments in which the user rated; null at the first",
        ),
        Field(name="user_days_active", dtype=Int64, description="days on which the user rated, so far"),
        Field(name="user_ratings_per_active_day", dtype=Float32, description="ratings so far by days active"),
        Field(name="user_genre_share", dtype=Array(Float32), description="share of the ratings so far, by genre_index"),
        Field(
            name="user_genre_affinity",
            dtype=Array(Float32),
            description="rating above the user's mean, shrunk, by genre_index",
        ),
    ],
)

user_profile = FeatureView(
    name="user_profile",
    entities=[entities.user],
    source=sources.user_profile,
    description="Who a user is, known from their first rating on.",
    tags={"grain": "user", "mart": "feat_user_profile"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="user_index", dtype=Int64, description="contiguous id from 0, made in dim_users"),
        Field(name="user_age", dtype=Int64, description="as stated to MovieLens; null where the data set has none"),
        Field(name="user_gender", dtype=String, description="as stated to MovieLens; null where the data set has none"),
        Field(
            name="user_occupation", dtype=String, description="as stated to MovieLens; null where the data set has none"
        ),
    ],
)

user_sequence = FeatureView(
    name="user_sequence",
    entities=[entities.user],
    source=sources.user_sequence,
    description=f"The last {sources.RECENT} ratings, oldest first; ties in time in the order of the published file.",
    tags={"grain": "user, event_timestamp", "mart": "feat_user_history"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="user_recent_movie_ids", dtype=Array(Int64), description="films"),
        Field(name="user_recent_ratings", dtype=Array(Float32), description="ratings"),
        Field(name="user_recent_timestamps", dtype=Array(Int64), description="seconds since 1970, UTC"),
    ],
)

user_history = FeatureView(
    name="user_history",
    entities=[entities.user],
    source=sources.user_history,
    description=(
        "Every rating so far, oldest first: what a recommendation leaves out, and what the next rating is added to."
    ),
    tags={"grain": "user, event_timestamp", "mart": "feat_user_history"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="user_seen_movie_ids", dtype=Array(Int64), description="films"),
        Field(name="user_seen_ratings", dtype=Array(Float32), description="ratings"),
        Field(name="user_seen_timestamps", dtype=Array(Int64), description="seconds since 1970, UTC"),
    ],
)

movie_state = FeatureView(
    name="movie_state",
    entities=[entities.movie],
    source=sources.movie_state,
    description="What a film's ratings add up to after each second in which it was rated.",
    tags={"grain": "movie, event_timestamp", "mart": "feat_movie_state"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_count_ratings", dtype=Int64, description="ratings so far"),
        Field(name="movie_mean_rating", dtype=Float32, description="mean rating so far; null before the first"),
        Field(
            name="movie_std_rating", dtype=Float32, description="spread of the ratings so far; null before the first"
        ),
        Field(name="movie_count_ratings_90d", dtype=Int64, description="ratings in the 90 days up to its last one"),
    ],
)

movie_recent = FeatureView(
    name="movie_recent",
    entities=[entities.movie],
    source=sources.movie_recent,
    description="What the next rating of a film is added to; only as of its last rating, so no model reads it.",
    tags={"grain": "movie", "mart": "feat_movie_recent"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_sum_half_stars", dtype=Int64, description="sum of twice the ratings"),
        Field(name="movie_sum_half_stars_squared", dtype=Int64, description="sum of their squares"),
        Field(
            name="movie_recent_timestamps",
            dtype=Array(Int64),
            description="ratings of the 90 days up to the last, seconds since 1970, UTC, ascending",
        ),
    ],
)

movie_influence = FeatureView(
    name="movie_influence",
    entities=[entities.movie],
    source=sources.movie_influence,
    description="The record of a film's people, as of the start of the quarter.",
    tags={"grain": "movie, event_timestamp", "mart": "feat_movie_influence"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(
            name="movie_director_influence",
            dtype=Float32,
            description="mean rating of all films of its directors, up to then",
        ),
        Field(
            name="movie_cast_influence",
            dtype=Float32,
            description="mean rating of all films that its five lead actors led, up to then",
        ),
    ],
)

movie_profile = FeatureView(
    name="movie_profile",
    entities=[entities.movie],
    source=sources.movie_profile,
    description="What does not change about a film, known from its release or its first rating, whichever is earlier.",
    tags={"grain": "movie", "mart": "feat_movie_profile"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_index", dtype=Int64, description="contiguous id from 0, made in dim_movies"),
        Field(name="movie_title", dtype=String, description="title without its year"),
        Field(name="movie_year", dtype=Int64, description="year of release"),
        Field(name="movie_runtime", dtype=Int64, description="minutes"),
        Field(name="movie_budget", dtype=Float32, description="US dollars; null where unknown"),
        Field(name="movie_language", dtype=String, description="original language, ISO 639-1"),
        Field(name="movie_genres", dtype=Array(Int64), description="genre_index values, ascending"),
        Field(name="movie_genre_names", dtype=Array(String), description="names of movie_genres, in the same order"),
        Field(name="movie_director_id", dtype=Int64, description="first director; TMDb's id, or below 0 where unknown"),
        Field(name="movie_director_name", dtype=String, description="first director"),
        Field(name="movie_lead_cast_ids", dtype=Array(Int64), description="first five actors"),
        Field(name="movie_lead_cast_names", dtype=Array(String), description="first five actors"),
    ],
)

movie_people = FeatureView(
    name="movie_people",
    entities=[entities.movie],
    source=sources.movie_people,
    description="Who made a film and what it is about, by TMDb's ids; below 0 where TMDb's id is unknown.",
    tags={"grain": "movie", "mart": "feat_movie_people"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_director_ids", dtype=Array(Int64), description="directors, in the order of the credits"),
        Field(name="movie_cast_ids", dtype=Array(Int64), description="first five actors, in the order of the credits"),
        Field(name="movie_keyword_ids", dtype=Array(Int64), description="keywords, ascending"),
    ],
)

movie_origin = FeatureView(
    name="movie_origin",
    entities=[entities.movie],
    source=sources.movie_origin,
    description="Where a film was made.",
    tags={"grain": "movie", "mart": "feat_movie_origin"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(
            name="movie_countries",
            dtype=Array(String),
            description="production countries, ISO 3166-1 or the graph's ids, ascending",
        ),
    ],
)

movie_text = FeatureView(
    name="movie_text",
    entities=[entities.movie],
    source=sources.movie_text,
    description="What a film's texts say, as `cinefeast embed` made a vector of them.",
    tags={"grain": "movie", "mart": "feat_movie_text"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(
            name="movie_text_embedding",
            dtype=Array(Float32),
            description="vector of length 1, its cosines telling how alike two films' texts are",
        ),
    ],
)

user_movie_rating = FeatureView(
    name="user_movie_rating",
    entities=[entities.user, entities.movie],
    source=sources.ratings,
    online=False,
    description="Ratings themselves, stamped with their own second: for pushing new ones, and in no service.",
    tags={"grain": "user, movie, rated_at", "mart": "fct_ratings"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="movie_id", dtype=Int64),
        Field(name="rating", dtype=Float32, description="0.5 to 5 in half stars"),
    ],
)
