"""The recommender of the workspace."""

import hashlib
from pathlib import Path

from dbt_project.workspace import workspace
from models.served import CHANNELS, RANKER
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
    version = models_version(place.artifacts)
    models = TwoStage.load(place.artifacts, store)
    UserVectors(models, version, vectors or settings().user_vectors, vector_store(), stages.metrics)
    features = OnlineFeatures(store, models.services)
    return Recommender(features, models, version, FilmUpdates(place), rules, stages, place.events / "accepted.db")


def models_version(artifacts: Path) -> str:
    """Twelve hex digits that are equal for equal served models."""
    digest = hashlib.sha256()
    for name in (*CHANNELS, RANKER):
        for file in ("config.json", "model.safetensors"):
            path = artifacts / name / file
            digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:12]
