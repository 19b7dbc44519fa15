"""Running the commands that a user types, in a workspace of the test's own.

A command is a process of its own, with its own environment, folder, output and end. But `import feast` alone takes
seconds, so `cinefeast` and `feast` are forked from a process that has imported them once, one for each test worker.
`typed` starts them as a shell does; `cinefeast demo`, which everything is tested on, is always started so.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dbt_project.events.read import read_all
from dbt_project.events.schemas import SCHEMAS
from dbt_project.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
UNTESTED = (
    *("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"),
    *("--vars", "publish_untested: true"),
)
"""For `dbt build` where dbt's own tests have passed on the same data: they take twice as long as what they test."""
FOREVER = ("1970-01-01T00:00:00", "2030-01-01T00:00:00")

FORKS = multiprocessing.get_context("forkserver")
FORKED = ("cinefeast", "feast")
IMPORTED = ("serving", "feature_repo.bench.steps", "serving.cli.main", "serving.api.app", "serving.runtime.server",
            "serving.runtime.loader", "models.registry")  # fmt: skip
"""What the process that is forked has imported: `serving` before Feast, see there, and nothing that sets up logging."""


def environment_of(workspace: Path, **variables: str) -> dict[str, str]:
    """The environment of a command in this workspace."""
    free = {"CINEFEAST_ADMIN_PORT": "0"}  # several servers run beside each other
    return {**os.environ, "CINEFEAST_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1", **free, **variables}


def start(
    environment: dict[str, str], *command: str, output: Path, errors: Path | None = None, folder: str = "."
) -> BaseProcess:
    """Start `cinefeast` or `feast` as a fork; its output is written to files, to one where `errors` is not given."""
    process = FORKS.Process(target=_work, args=(command, REPOSITORY / folder, environment, output, errors or output))
    process.start()
    return process


def _work(command: tuple[str, ...], folder: Path, environment: dict[str, str], output: Path, errors: Path) -> None:
    """The command, in this process, which a Ctrl+C ends: where the tests run in the background, it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for path, stream in ((output, 1), (errors, 2)):
        with path.open("a") as file:
            os.dup2(file.fileno(), stream)
    sys.argv = [str(BIN / command[0]), *command[1:]]
    (entry,) = entry_points(group="console_scripts", name=command[0])
    sys.exit(entry.load()())


def run(
    workspace: Path, *command: str, folder: str = ".", check: bool = True, typed: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `command` of this environment in a folder of the repository; fail with its output unless `check` is off."""
    environment = environment_of(workspace, **variables)
    if folder == "dbt_project":
        # two test workspaces never share dbt's compiled files
        environment |= {"DBT_TARGET_PATH": str(workspace / "dbt_target"), "DBT_LOG_PATH": str(workspace / "dbt_logs")}
    result = ended(environment, *command, folder=folder, typed=typed or command[0] not in FORKED)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(command)} exited {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def ended(
    environment: dict[str, str], *command: str, folder: str = ".", typed: bool = False
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, however it did."""
    if typed:
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=REPOSITORY / folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "output", Path(scratch) / "errors"
        process = start(environment, *command, output=files[0], errors=files[1], folder=folder)
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(command, process.exitcode, *(file.read_text() for file in files))


def landed_events(workspace: Path, kind: str) -> list[dict[str, Any]]:
    """What was landed of a kind of events, in order, sealed by a build or not."""
    schema = SCHEMAS[kind]
    return read_all(Workspace(workspace).events / kind, schema).select(schema.names).to_pylist()


def dbt_build(workspace: Path, *more: str) -> None:
    """The warehouse of what is landed."""
    run(workspace, "dbt", "build", *more, folder="dbt_project")


def materialize(workspace: Path, until: str = FOREVER[1], redis: str = "") -> None:
    """Apply, then write what is known `until` then online: to SQLite, or to the Redis at that address."""
    store = {"REDIS_CONNECTION_STRING": redis}
    feast = ("feast", "-f", "feature_store.redis.yaml") if redis else ("feast",)
    run(workspace, *feast, "apply", folder="feature_repo", **store)
    run(workspace, *feast, "materialize", FOREVER[0], until, folder="feature_repo", **store)
