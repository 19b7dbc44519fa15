"""A measured step in a process of its own, so that its peak memory is its own."""

import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError

STOPPED = 75
KIB = 1024 / 1e9
STEPS = "feature_repo.bench.steps"

# one process imports Feast, which takes seconds, and each step is a fork of it that starts with those imports only
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([STEPS])


@dataclass(frozen=True)
class Outcome:
    """What a step returned, its peak resident memory in GB, and which limit stopped it, if one did."""

    result: dict[str, Any]
    peak_gb: float
    stopped: str | None


def run(step: str, scratch: Path, module: str = STEPS, bench: str = "features", **arguments: Any) -> Outcome:
    """Run a function of `module` for `cinefeast bench <bench>`; its output goes to a log in `scratch`.

    Raises CineFeastError where the step fails.
    """
    print(f"measuring: {step} {json.dumps(arguments)}", file=sys.stderr)
    result, log = scratch / f"{step}.json", scratch / f"{step}.log"
    result.unlink(missing_ok=True)
    process = FORKS.Process(target=_work, args=(module, step, arguments, result, log, dict(os.environ)))
    process.start()
    try:
        process.join()
    finally:  # a daemon would end with this process, but may have no processes of its own
        process.terminate()
    if process.exitcode == -signal.SIGKILL:  # the system ran out of memory before the limit did
        return Outcome({}, 0.0, "memory")
    if not result.exists():
        lines = log.read_text().strip().splitlines() or ["no output"]
        raise CineFeastError(f"{step} ended with {process.exitcode}: {lines[-1]}", f"cinefeast bench {bench}")
    written = json.loads(result.read_text())
    if "mistake" in written:
        raise CineFeastError(*written["mistake"])
    return Outcome(**written)


def limit(seconds: float, gb: float) -> None:
    """From now on end this step once it runs for longer or has held more."""

    def watch() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and peak_gb() < gb:
            time.sleep(0.1)
        _write({"result": {}, "peak_gb": peak_gb(), "stopped": "memory" if peak_gb() >= gb else "time"})
        os._exit(STOPPED)

    threading.Thread(target=watch, daemon=True).start()


def peak_gb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


_result_file: Path


def _work(
    module: str, step: str, arguments: dict[str, Any], result: Path, log: Path, environment: dict[str, str]
) -> None:
    """Run one step in this process, its output in `log`, what it returns in `result`.

    The environment is the caller's: the server that forks has kept the one it was started with.
    """
    global _result_file
    os.environ.clear()
    os.environ.update(environment)
    _result_file = result
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    try:
        returned = getattr(import_module(module), step)(**arguments)
    except CineFeastError as error:
        _write({"mistake": [error.what, error.next_command]})
    else:
        _write({"result": returned, "peak_gb": peak_gb(), "stopped": None})


def _write(outcome: dict[str, Any]) -> None:
    part = _result_file.with_suffix(".part")
    part.write_text(json.dumps(outcome))
    part.replace(_result_file)
