"""`cinefeast evaluate`: every protocol on the models of the workspace, into reports/metrics.json."""

import json
import os
import time
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, workspace
from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.protocols import Protocol
from models.progress import track
from models.registry import CHANNELS, RANKER, WEIGHTS, model_class
from models.train import artifacts_of, dataset_name
from models.two_stage import TwoStage

PRIMARY = "time-streaming"
PROTOCOLS = {
    PRIMARY: "one later film a warm user, drawn five times; features as of that film's moment, models of the cut-off",
    "time-frozen-one": "one later film a warm user, drawn five times; features and models of the cut-off",
    "time-frozen-all": "all later films of a warm user; features and models of the cut-off",
    "time-streaming-cold": "as time-streaming, for users with fewer than five earlier ratings",
    "leave-one-out": "every user's last film; features as of its moment, models of all other ratings",
}
LATER = ("merged", "two_stage")


def evaluate(protocols: list[str]) -> dict[str, Any]:
    """Measure the protocols (all that there are models for, if none is named) and write metrics.json.

    Raises CineFeastError where a protocol is unknown, or models are missing or of other data.
    """
    from feature_repo.store import load_store

    unknown = [name for name in protocols if name not in PROTOCOLS]
    if unknown:
        raise CineFeastError(
            f"no protocol {', '.join(unknown)}: there are {', '.join(PROTOCOLS)}", "cinefeast evaluate"
        )
    space = workspace()
    store = load_store()
    started = time.perf_counter()
    measured: dict[str, Any] = {}
    if not protocols or any(name.startswith("time") for name in protocols):
        measured |= over_time(space, store, [name for name in PROTOCOLS if not protocols or name in protocols])
    has_models = (artifacts_of(space, "leave-one-out") / CHANNELS[0] / "config.json").exists()
    if "leave-one-out" in protocols or (not protocols and has_models):
        measured["leave-one-out"] = leave_one_out(space, store)
    primary = PRIMARY if PRIMARY in measured else next(iter(measured))
    result = {
        "dataset": dataset_name(space),
        "protocol": primary,
        **parts(measured[primary]),
        "protocols": {name: found | parts(found) for name, found in measured.items()},
        "seconds": round(time.perf_counter() - started, 1),
        "command": " ".join(["cinefeast evaluate", *(f"--protocol {name}" for name in protocols)]),
    }
    write(space.reports / "metrics.json", result)
    return result


def over_time(space: Workspace, store: Any, wanted: list[str]) -> dict[str, Any]:
    """The protocols of the global time split."""
    data = Dataset(store, "time")
    folder = artifacts_of(space, "time")
    models = TwoStage.load(folder, store)
    check_data(models.ranker, data, folder)
    service = models.ranker.config.service
    protocol = Protocol(data, models, service, data.catalogue(service, "validation"))
    test = cases.held_out(data)
    draws = range(cases.DRAWS)
    asked = {
        PRIMARY: (lambda: [cases.streaming(test, seed) for seed in draws], protocol.rank_now),
        "time-frozen-one": (lambda: [cases.frozen_one(data, test, seed) for seed in draws], protocol.rank_at_cut_off),
        "time-frozen-all": (lambda: [cases.frozen_all(data, test)], protocol.rank_at_cut_off),
        "time-streaming-cold": (
            lambda: [cases.streaming(test, seed, warm=False) for seed in draws],
            protocol.rank_now,
        ),
    }
    measured = {}
    for name in track([name for name in wanted if name in asked], "protocols"):
        make, rank = asked[name]
        made = make()
        if len(made[0].frame):
            measured[name] = {"about": PROTOCOLS[name], **protocol.measure(made, rank)}
    if not measured:
        raise CineFeastError("no user of the test window can be asked about", "fetch a data set with more ratings")
    return measured


def leave_one_out(space: Workspace, store: Any) -> dict[str, Any]:
    """Recall channels on every user's last film."""
    data = Dataset(store, "leave-one-out")
    folder = artifacts_of(space, "leave-one-out")
    channels: dict[str, Any] = {name: model_class(name).load(folder / name, store) for name in CHANNELS}
    check_data(channels[CHANNELS[0]], data, folder)
    service = model_class(RANKER).Config.read(RANKER).service
    protocol = Protocol(data, TwoStage(channels, None, WEIGHTS), service, None)
    found = protocol.measure([cases.leave_one_out(cases.held_out(data))], None)
    return {"about": PROTOCOLS["leave-one-out"], **found}


def check_data(model: Any, data: Dataset, folder: Path) -> None:
    """CineFeastError where the models were trained on other labels than the warehouse holds now."""
    if model.provenance["data_hash"] != data.data_hash:
        from models.artifacts import again

        raise CineFeastError(
            f"the models in {folder} were trained on other ratings than the warehouse holds", again(folder / "any")
        )


def parts(found: dict[str, Any]) -> dict[str, Any]:
    """Recall channels apart from what two stages make of them."""
    channels = found["channels"]
    return {
        "channels": {name: values for name, values in channels.items() if name != "two_stage"},
        "ranking": {name: channels[name] for name in LATER if name in channels} if "two_stage" in channels else {},
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Put a finished file in place by one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_suffix(f".{os.getpid()}.building")
    building.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    building.replace(path)
