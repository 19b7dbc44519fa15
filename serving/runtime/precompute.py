"""`cinefeast precompute`: the vectors of all users, for CINEFEAST_USER_VECTORS=batch."""

from dbt_project.errors import CineFeastError
from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import workspace
from models.served import served_models
from models.two_stage import TwoStage
from serving.config import REDIS, Mode
from serving.features.reader import OnlineFeatures, check_built
from serving.features.user_vectors import InRedis, UserVectors, vector_store
from serving.telemetry.metrics import Metrics

USERS_AT_ONCE = 1000
USERS = "select distinct user_id, timestamp '2100-01-01' as event_timestamp from training.training_labels"


def precompute() -> int:
    """Keep the vectors of all users who have rated, as of what is online now, in Redis; returns how many.

    CineFeastError where there is no Redis or a step before this has not run.
    """
    check_built()
    place = vector_store()
    if not isinstance(place, InRedis):
        raise CineFeastError(f"vectors are kept in Redis, and {REDIS} is not set", f"export {REDIS}=localhost:6379")
    from feature_repo.store import load_store

    store, served = load_store(), served_models(workspace().artifacts)
    models = TwoStage.load(served.folder, store)
    vectors = UserVectors(models, served.version, Mode.BATCH, place, Metrics())
    features = OnlineFeatures(store, models.services)
    found = store.get_historical_features(USERS, ["user_profile:user_index"]).to_arrow()["user_id"].to_pylist()
    erased = erased_users(workspace().events)
    found = [user_id for user_id in found if user_id not in erased]
    chunks = [found[first : first + USERS_AT_ONCE] for first in range(0, len(found), USERS_AT_ONCE)]
    return sum(vectors.precompute(features.users(chunk)) for chunk in chunks)
