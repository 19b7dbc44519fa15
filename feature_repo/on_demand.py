"""Crossed features of a user and a film, computed when asked for: the same code in training and in serving."""

import pandas as pd
import views
from feast import Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from feature_repo.crossing import cross_features


@on_demand_feature_view(
    sources=[
        views.user_state[["user_mean_rating", "user_genre_share", "user_genre_affinity"]],
        views.movie_state[["movie_count_ratings", "movie_mean_rating"]],
        views.movie_profile[["movie_genres"]],
    ],
    # no descriptions here: Feast compares these fields with the ones it infers, descriptions included, so the
    # view's own description tells what each is
    schema=[
        Field(name="cross_genre_affinity", dtype=Float64),
        Field(name="cross_genre_share", dtype=Float64),
        Field(name="cross_mean_difference", dtype=Float64),
        Field(name="cross_log_popularity", dtype=Float64),
    ],
    mode="pandas",
    description=(
        "What a user and a film have to do with each other at that moment: the user's mean affinity to the "
        "film's genres, their mean share of the user's ratings, the film's mean rating less "
        "the user's, log(1 + the film's ratings so far)."
    ),
    owner="cinefeast",
)
def user_movie_cross(inputs: pd.DataFrame) -> pd.DataFrame:
    return cross_features(inputs)
