"""The feature store that this environment names: SQLite by default, Redis where REDIS_CONNECTION_STRING is set."""

import os
from pathlib import Path

from feast import FeatureStore

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, workspace

REPOSITORY = Path(__file__).resolve().parent


def yaml_file() -> Path:
    """The environment's feature_store yaml."""
    name = "feature_store.redis.yaml" if os.environ.get("REDIS_CONNECTION_STRING") else "feature_store.yaml"
    return REPOSITORY / name


def load_store() -> FeatureStore:
    """Open the feature store of the workspace.

    Raises CineFeastError where the warehouse was never built or the repository never applied.
    """
    run = workspace()
    if not run.warehouse.exists():
        raise CineFeastError(f"no warehouse at {run.warehouse}", "cd dbt_project && dbt build")
    if not run.registry.exists():
        raise CineFeastError(f"no feature registry at {run.registry}", "cd feature_repo && feast apply")
    os.environ[VARIABLE] = str(run.root)  # the yaml expands it
    store = FeatureStore(repo_path=str(REPOSITORY), fs_yaml_file=yaml_file())
    # what was materialized before is served while `feast materialize` runs, and after one that was killed; set in the
    # yaml, it warns with every command that it is meant for SQL registries
    store.registry.serve_features_while_materializing = True
    return store
