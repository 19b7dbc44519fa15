"""The recommender of the workspace."""

from dbt_project.workspace import workspace
from models.served import served_models
from models.two_stage import TwoStage
from serving.config import Mode, settings
from serving.events.film_updates import FilmUpdates
from serving.features.reader import OnlineFeatures, check_built, fail_fast
from serving.features.user_vectors import UserVectors, vector_store
from serving.pipeline.recommender import Recommender
from serving.rules.file import RuleFile
from serving.telemetry.deadlines import Stages


def load_recommender(stages: Stages, vectors: Mode | None = None) -> Recommender:
    """The recommender of the workspace: trained artifacts, the live registry, the online store.

    `vectors` is when users' vectors are worked out, as is set where it is not given.
    Raises CineFeastError with the next command for whatever step is missing.
    """
    place = workspace()
    check_built()
    from feature_repo.renewed import check_renewed
    from feature_repo.store import load_store

    rules = RuleFile(place)
    store = fail_fast(load_store())
    check_renewed(store.list_batch_feature_views())
    served = served_models(place.artifacts)
    version = served.version
    models = TwoStage.load(served.folder, store)
    UserVectors(models, version, vectors or settings().user_vectors, vector_store(), stages.metrics)
    features = OnlineFeatures(store, models.services)
    return Recommender(features, models, version, FilmUpdates(place), rules, stages, place.events / "accepted.db")
