"""`cinefeast demo`: the whole chain on one data set, each command printed as you would type it."""

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, workspace
from serving.features.reader import feast_options

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent  # of this environment, whether or not it is activated


@dataclass(frozen=True)
class Step:
    """One command of the chain. `folder` is where it runs, below the repository; "" is where the user is."""

    name: str
    arguments: list[str]
    folder: str = ""

    @property
    def typed(self) -> str:
        """The command as one would type it in the repository."""
        command = shlex.join(self.arguments)
        return f"(cd {self.folder} && {command})" if self.folder else command


def demo(dataset: str, archive: Path | None, links: Path | None, tmdb: Path | None) -> None:
    """Run the chain and print what came out: seconds per step, metrics, recommendations for a few users.

    dataset: a name that `cinefeast fetch` knows; archive, links, tmdb: local files instead of downloads
    Raises CineFeastError naming the step that failed; the steps before it need not run again.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    seconds: list[tuple[str, float]] = []
    for step in steps(dataset, archive, links, tmdb):
        console.print(f"\n[bold]$ {step.typed}[/bold]", soft_wrap=True)
        start = time.perf_counter()
        run(step)
        seconds.append((step.name, time.perf_counter() - start))
    start = time.perf_counter()
    from serving.reports.showcase import print_metrics, print_seconds, print_users
    from serving.runtime.server import load_on_one_thread
    from serving.telemetry.deadlines import Stages
    from serving.telemetry.metrics import Metrics

    print_metrics(console, every=False)
    print_users(console, load_on_one_thread(Stages(Metrics())))
    seconds.append(("recommend", time.perf_counter() - start))
    print_seconds(console, seconds)
    console.print(f"\nreport: {workspace().reports / 'report.html'}", soft_wrap=True)
    console.print("next:   cinefeast train --final   (so that the newest tenth of the ratings is learned, too)")
    console.print("        cinefeast serve")


def steps(dataset: str, archive: Path | None, links: Path | None, tmdb: Path | None) -> list[Step]:
    """The chain's commands in order."""
    fetch = ["cinefeast", "fetch", dataset]
    for option, file in (("--archive", archive), ("--links", links)):
        fetch += [option, str(file)] if file else []
    collect = [Step("collect", ["cinefeast", "collect", "--from", str(tmdb)])] if tmdb else []
    feast = ["feast", *feast_options()]
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    return [
        *([] if archive is None and landed() == dataset else [Step("fetch", fetch)]),
        *collect,
        Step("embed", ["cinefeast", "embed"]),
        Step("dbt", ["dbt", "--quiet", "build"], "dbt_project"),
        Step("feast apply", [*feast, "apply"], "feature_repo"),
        Step("feast materialize", [*feast, "materialize", "1970-01-01T00:00:00", now], "feature_repo"),
        Step("train", ["cinefeast", "train"]),
        Step("evaluate", ["cinefeast", "evaluate"]),
        Step("report", ["cinefeast", "report"]),
    ]


def landed() -> str | None:
    """The data set that is landed now: a second demo downloads nothing."""
    try:
        return json.loads((workspace().raw_movielens / "manifest.json").read_text(encoding="utf-8"))["dataset"]
    except (OSError, ValueError, KeyError):
        return None


def run(step: Step) -> None:
    """Run one step with this environment's programs and an absolute workspace."""
    root = workspace().root
    environment = {
        # everything that a run writes lies in the workspace, dbt's own files too
        "DBT_TARGET_PATH": str(root / "dbt" / "target"),
        "DBT_LOG_PATH": str(root / "dbt" / "logs"),
        **os.environ,
        VARIABLE: str(root),
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    program = BIN / step.arguments[0]
    if not program.exists():
        raise CineFeastError(f"step {step.name}: no {program}", "make install")
    code = subprocess.run(
        [str(program), *step.arguments[1:]], cwd=ROOT / step.folder if step.folder else None, env=environment
    ).returncode
    if code:
        raise CineFeastError(f"step {step.name} failed with exit code {code}", step.typed)
