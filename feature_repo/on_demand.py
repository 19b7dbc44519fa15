"""Crossed features of a user and a film, computed when asked for: the same code in training and in serving.

No field has a description: Feast compares these with the ones it infers, descriptions included. The views' own
descriptions tell what each is. The functions import what they call: Feast keeps their source and runs it elsewhere.
"""

import pandas as pd
import views
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float32, Float64, Int64, String

from feature_repo.affinity import AFFINITY

watched = RequestSource(
    name="watched",
    schema=[
        Field(name="asked_at", dtype=Int64),
        Field(name="watched_directors", dtype=Array(Int64)),
        Field(name="watched_cast", dtype=Array(Int64)),
        Field(name="watched_keywords", dtype=Array(Int64)),
        Field(name="watched_genres", dtype=Array(Int64)),
        Field(name="watched_languages", dtype=Array(String)),
        Field(name="watched_countries", dtype=Array(String)),
        Field(name="watched_years", dtype=Array(Int64)),
        Field(name="watched_runtimes", dtype=Array(Int64)),
        Field(name="watched_texts", dtype=Array(Float32)),
    ],
    description="When is asked, and facts of the films that the user watched, as FilmAttributes.facts has them.",
    owner="cinefeast",
)
recall = RequestSource(
    name="recall",
    schema=[
        Field(name="asked_at", dtype=Int64),
        Field(name="recall_place", dtype=Int64),
        Field(name="recall_ranks", dtype=Array(Int64)),
        Field(name="recall_scores", dtype=Array(Float32)),
    ],
    description="When is asked, the film's place in the merged list, its rank and score in each channel.",
    owner="cinefeast",
)


@on_demand_feature_view(
    sources=[
        views.user_state[["user_mean_rating", "user_genre_share", "user_genre_affinity"]],
        views.movie_state[["movie_count_ratings", "movie_mean_rating", "movie_count_ratings_90d"]],
        views.movie_profile[["movie_genres"]],
    ],
    schema=[
        Field(name="cross_genre_affinity", dtype=Float64),
        Field(name="cross_genre_share", dtype=Float64),
        Field(name="cross_mean_difference", dtype=Float64),
        Field(name="cross_log_popularity", dtype=Float64),
        Field(name="cross_popularity_trend", dtype=Float64),
    ],
    mode="pandas",
    description=(
        "What a user and a film have to do with each other at that moment: the user's mean affinity to the "
        "film's genres, their mean share of the user's ratings, the film's mean rating less "
        "the user's, log(1 + the film's ratings so far), and what the same of its last 90 days is less by."
    ),
    owner="cinefeast",
)
def user_movie_cross(inputs: pd.DataFrame) -> pd.DataFrame:
    from feature_repo.crossing import cross_features

    return cross_features(inputs)


@on_demand_feature_view(
    sources=[
        views.user_state[["user_mean_rating"]],
        views.user_history[["user_seen_ratings", "user_seen_timestamps"]],
        views.movie_profile[["movie_genres", "movie_language", "movie_year", "movie_runtime"]],
        views.movie_people,
        views.movie_origin,
        views.movie_text,
        watched,
    ],
    schema=[Field(name=name, dtype=Float64) for name in AFFINITY],
    mode="pandas",
    description=(
        "What the user's last 200 films say of this one: how many of its directors, leads and keywords they met there, "
        "and how those films were rated above the user's mean; the share of them in its language and country; years "
        "and minutes from the mean of those liked; days since one that shares half of all genres of the two; the "
        "highest cosine of the texts, and the mean one over the last ten."
    ),
    owner="cinefeast",
)
def user_movie_affinity(inputs: pd.DataFrame) -> pd.DataFrame:
    from feature_repo.affinity import affinity_features

    return affinity_features(inputs)


@on_demand_feature_view(
    sources=[views.user_history[["user_seen_timestamps"]], recall],
    schema=[
        Field(name="request_hour", dtype=Float64),
        Field(name="request_weekday", dtype=Float64),
        Field(name="request_gap_days", dtype=Float64),
        Field(name="recall_weight", dtype=Float64),
        Field(name="recall_channel_weights", dtype=Array(Float64)),
        Field(name="recall_channel_scores", dtype=Array(Float64)),
    ],
    mode="pandas",
    description=(
        "When is asked: hour and weekday, UTC, days since the last rating. What recall says: 10 / (10 + rank) in the "
        "merged list and in each channel, in the order of the ranker's channels, and each channel's score."
    ),
    owner="cinefeast",
)
def request_context(inputs: pd.DataFrame) -> pd.DataFrame:
    from feature_repo.request import request_features

    return request_features(inputs)
