"""Running the commands that a user types, in a workspace of the test's own."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FOREVER = ("1970-01-01T00:00:00", "2030-01-01T00:00:00")


def run(
    workspace: Path, *command: str, folder: str = ".", check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `command` of this environment in a folder of the repository; fail with its output unless `check` is off."""
    environment = {**os.environ, "CINEFEAST_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1", **variables}
    if folder == "dbt_project":
        # two test workspaces never share dbt's compiled files
        environment |= {"DBT_TARGET_PATH": str(workspace / "dbt_target"), "DBT_LOG_PATH": str(workspace / "dbt_logs")}
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=REPOSITORY / folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and result.returncode:
        raise AssertionError(f"{' '.join(command)} exited {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def build_features(workspace: Path, archive: Path, tmdb: Path) -> None:
    """archive -> landing -> warehouse -> registry -> online store."""
    run(workspace, "cinefeast", "fetch", "ml-latest-small", "--archive", str(archive))
    run(workspace, "cinefeast", "collect", "--from", str(tmdb))
    run(workspace, "cinefeast", "embed")
    dbt_build(workspace)
    materialize(workspace)


def dbt_build(workspace: Path, *more: str) -> None:
    """The warehouse of what is landed."""
    run(workspace, "dbt", "build", *more, folder="dbt_project")


def materialize(workspace: Path, until: str = FOREVER[1], redis: str = "") -> None:
    """Apply, then write what is known `until` then online: to SQLite, or to the Redis at that address."""
    store = {"REDIS_CONNECTION_STRING": redis}
    feast = ("feast", "-f", "feature_store.redis.yaml") if redis else ("feast",)
    run(workspace, *feast, "apply", folder="feature_repo", **store)
    run(workspace, *feast, "materialize", FOREVER[0], until, folder="feature_repo", **store)
