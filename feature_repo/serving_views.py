"""What serving alone reads, after the models: what users did with films beside rating them, collections, posters."""

import entities
import views
from feast import FeatureService, FeatureView, Field
from feast.feature_logging import LoggingConfig
from feast.types import Array, Int64, String

from feature_repo.feedback_events import ARRAYS, KEPT
from feature_repo.offline_store.source import WarehouseSource, WindowSource
from feature_repo.offline_store.storage import LogDestination
from feature_repo.renewed import check_renewed

user_feedback = FeatureView(
    name="user_feedback",
    entities=[entities.user],
    source=WindowSource(
        name="feat_user_feedback",
        table="features.feat_user_feedback",
        position={name: f"user_count_{name.split('_')[1]}" for name in ARRAYS},
        history="features.feat_user_feedback_history",
        columns={name: name.removeprefix("user_") for name in ARRAYS},
        window=KEPT,
    ),
    description=f"The last {KEPT:,} films each that a user has hidden, watched and clicked; one may stand there twice.",
    tags={"grain": "user, event_timestamp", "mart": "feat_user_feedback"},
    owner="cinefeast",
    schema=[
        Field(name="user_id", dtype=Int64),
        Field(name="user_hidden_movie_ids", dtype=Array(Int64), description="films hidden, oldest first"),
        Field(name="user_hidden_timestamps", dtype=Array(Int64), description="seconds since 1970 of the hides, UTC"),
        Field(name="user_watched_movie_ids", dtype=Array(Int64), description="films watched, oldest first"),
        Field(name="user_watched_timestamps", dtype=Array(Int64), description="seconds since 1970 of the watches, UTC"),
        Field(name="user_clicked_movie_ids", dtype=Array(Int64), description="films clicked, oldest first"),
        Field(name="user_clicked_timestamps", dtype=Array(Int64), description="seconds since 1970 of the clicks, UTC"),
        Field(name="user_last_feedback_at", dtype=Int64, description="seconds since 1970 of the last, UTC"),
    ],
)

movie_collection = FeatureView(
    name="movie_collection",
    entities=[entities.movie],
    source=WarehouseSource(name="feat_movie_collection", table="features.feat_movie_collection"),
    description="Which films belong together.",
    tags={"grain": "movie", "mart": "feat_movie_collection"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_collection_id", dtype=Int64, description="TMDb's id of the collection; null for none"),
    ],
)

movie_poster = FeatureView(
    name="movie_poster",
    entities=[entities.movie],
    source=WarehouseSource(name="feat_movie_poster", table="features.feat_movie_poster"),
    description="Where TMDb has a film's poster.",
    tags={"grain": "movie", "mart": "feat_movie_poster"},
    owner="cinefeast",
    schema=[
        Field(name="movie_id", dtype=Int64),
        Field(name="movie_poster_path", dtype=String, description="below TMDb's image server; null for none"),
    ],
)

rules_v1 = FeatureService(
    name="rules_v1",
    features=[views.user_history, user_feedback, movie_collection, movie_poster],
    description="For rules what a user has rated, hidden, watched, clicked and which films belong together; posters.",
    owner="cinefeast",
)

served_v1 = FeatureService(
    name="served_v1",
    features=[views.user_state, views.user_profile, views.movie_profile, views.movie_state, views.movie_influence],
    description="What answers were made of; logged for a share of them, a row a film shown.",
    owner="cinefeast",
    logging_config=LoggingConfig(LogDestination("served_v1"), sample_rate=0.1),
)

# where `feast apply` and `feast plan` read what is declared, before anything is written
check_renewed(one for one in (*vars(views).values(), user_feedback) if isinstance(one, FeatureView))
