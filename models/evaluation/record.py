"""What every result file tells of how it was made, and how such files are written."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from models.artifacts import PARTS

CHECKOUT = Path(__file__).parents[2]
RESULTS = CHECKOUT / "docs" / "results"
"""The results that the documentation shows."""
DIGITS = 6


def provenance(command: str, seeds: Iterable[int]) -> dict[str, Any]:
    """The command, its seeds, the commit of the code, the versions it ran with, how many cores it could use."""
    return {
        "command": command,
        "seeds": list(seeds),
        "commit": commit(CHECKOUT),
        "versions": {"python": platform.python_version(), **{part: version(part) for part in PARTS}},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def commit(checkout: Path) -> str:
    """The commit checked out, with "-dirty" where tracked code differs from it; "unknown" outside of a checkout.

    Documentation is left out of the comparison: it is where results are written to.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != checkout.resolve():
            return "unknown"  # installed somewhere below another project's checkout
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!*.md")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def made_of(space: Workspace) -> dict[str, str]:
    """The landed data set, what its results are called (after an archive of its own), the command that landed it."""
    manifest = read_json(space.raw_movielens / "manifest.json", "cinefeast fetch ml-100k")
    name, command = manifest["dataset"], f"cinefeast fetch {manifest['dataset']}"
    archive = str(manifest.get("archive") or "")
    if archive and not (space.raw_movielens.parent / "archives" / archive).exists():  # else it was downloaded
        name, command = archive.split(".")[0], f"{command} --archive {archive}"
    links = manifest.get("files", {}).get("links", {}).get("file")
    if links and "/" not in links:  # else it came out of the archive
        command += f" --links {links}"
    return {"dataset": manifest["dataset"], "name": name, "data": command}


def read_json(path: Path, next_command: str) -> dict[str, Any]:
    """A result file; CineFeastError when it is missing or no JSON."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CineFeastError(f"no {path}", next_command) from None
    except ValueError as error:
        raise CineFeastError(f"{path} is no JSON: {error}", next_command) from None
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Put a finished file in place by one rename; numbers to six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_suffix(f".{os.getpid()}.building")
    building.write_text(json.dumps(rounded(content), indent=1) + "\n", encoding="utf-8")
    building.replace(path)


def rounded(content: Any) -> Any:
    """The same with every float at six digits."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value) for value in content]
    return round(float(content), DIGITS) if isinstance(content, float) else content
