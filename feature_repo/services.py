"""Feature services: what each model may read, by name and version. A model's config names the one it reads."""

import on_demand
import views
from feast import FeatureService

ITEMS = [views.movie_profile, views.movie_state, views.movie_influence]
USERS = [views.user_state, views.user_profile, views.user_sequence]

interactions_v1 = FeatureService(
    name="interactions_v1",
    features=[views.user_profile[["user_index"]], views.movie_profile[["movie_index"]]],
    description="Contiguous ids beside the labels: what is counted, and the interaction matrix.",
    owner="cinefeast",
)
catalogue_v1 = FeatureService(
    name="catalogue_v1",
    features=[*ITEMS, views.movie_people, views.movie_origin, views.movie_text],
    description="Every film as it stands at one moment.",
    owner="cinefeast",
)
seen_v1 = FeatureService(
    name="seen_v1",
    features=[views.user_history[["user_seen_movie_ids"]]],
    description="What a user has rated: never recommended again.",
    owner="cinefeast",
)
recall_item_cf_v1 = FeatureService(
    name="recall_item_cf_v1",
    features=[views.user_sequence],
    description="The recent ratings that neighbours are looked up for.",
    owner="cinefeast",
)
recall_history_v1 = FeatureService(
    name="recall_history_v1",
    features=[views.user_history],
    description="All that a user has rated, in order, with ratings and moments.",
    owner="cinefeast",
)
recall_sequence_v1 = FeatureService(
    name="recall_sequence_v1",
    features=[
        views.user_history,
        views.movie_profile[["movie_index", "movie_year", "movie_genres"]],
        views.movie_text,
    ],
    description="All that a user has rated, and what is known of films beside it.",
    owner="cinefeast",
)
recall_genre_v1 = FeatureService(
    name="recall_genre_v1",
    features=[views.user_state[["user_genre_share"]], views.movie_profile[["movie_index", "movie_genres"]]],
    description="The genres that a user watches, and those of each film.",
    owner="cinefeast",
)
recall_two_tower_v1 = FeatureService(
    name="recall_two_tower_v1", features=[*USERS, *ITEMS], description="Both towers.", owner="cinefeast"
)
recall_two_tower_v2 = FeatureService(
    name="recall_two_tower_v2",
    features=[*USERS, *ITEMS, views.movie_people, views.movie_text],
    description="Both towers, the films' with their people and texts.",
    owner="cinefeast",
)
recall_content_v1 = FeatureService(
    name="recall_content_v1",
    features=[
        views.user_sequence,
        views.movie_profile[["movie_index", "movie_year", "movie_genres"]],
        views.movie_people,
        views.movie_text,
    ],
    description="The recent ratings, and what tells films alike before anyone has rated them.",
    owner="cinefeast",
)
recall_graph_v1 = FeatureService(
    name="recall_graph_v1",
    features=[views.user_history, views.movie_profile[["movie_index"]], views.movie_people],
    description="Who rated what, and who made it: the edges of a graph of users, films and people.",
    owner="cinefeast",
)
rank_unified_v1 = FeatureService(
    name="rank_unified_v1",
    features=[
        views.user_state,
        views.user_profile,
        views.user_history,
        *ITEMS,
        views.movie_people,
        views.movie_origin,
        views.movie_text,
        on_demand.user_movie_cross,
        on_demand.user_movie_affinity,
        on_demand.request_context,
    ],
    description="User, film and crossed features, the moment, and what recall says: every ranker reads these.",
    owner="cinefeast",
)
