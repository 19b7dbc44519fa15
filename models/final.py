"""`cinefeast train --final`: all that is served, fitted anew on all ratings, with what validation found.

Recall channels are refitted up to the newest rating, for as many epochs as were best. The ranker learns from two
windows, each with channels that have not seen it: of the validation window from those that know the train split, as in
the evaluation, and of the newest tenth, the test window, from those of the evaluation, which end before it. So it knows
recall as it will be when served: asked about films that it was not told. Nothing is held back and nothing is chosen.
"""

import time
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, publish_directory, workspace
from models.artifacts import check_data
from models.dataset import SPLITS, Dataset
from models.progress import Steps
from models.rank.samples import trained_on
from models.rank.samples.samples import Samples, make_shards, read
from models.recall.registry import MERGE
from models.registry import model_class
from models.served import FINAL, RANKER, choices
from models.staging import staged
from models.train import artifacts_of, cores, dataset_name, load_channels, save

COMMAND = f"cinefeast train --{FINAL}"


def train_final() -> dict[str, dict[str, Any]]:
    """Fit the set that is served on all ratings and show it beside the evaluated one, at once; what each measured.

    CineFeastError where a model was not evaluated, or with other ratings than there are now.
    """
    from feature_repo.store import load_store

    space = workspace()
    folder, data = artifacts_of(space, "time"), Dataset(load_store())
    channels, ranker = load_channels(data, folder), load_ranker(data, folder)
    dataset, steps, measured = dataset_name(space), Steps(len(channels) + 2), {}
    with staged(folder, COMMAND) as place:
        for name, channel in channels.items():
            started = time.perf_counter()
            channel.run = space.runs / data.protocol / name / "validation"
            measured[name] = keep(channel.refit(data, SPLITS[-1]), place, folder, dataset, started)
            steps.ended(f"trained {name}", measured[name])
        samples, newest = final_samples(data, channels, ranker, space)
        steps.ended(f"samples of two windows, {samples.groups:,} groups, {newest.groups:,} of them of the newest tenth")
        started = time.perf_counter()
        ranker.run = space.runs / data.protocol / RANKER / SPLITS[-1]
        measured[RANKER] = keep(ranker.refit(data, samples, newest), place, folder, dataset, started)
        trained_on.keep(samples.pairs, ranker.config.inputs, place)
        steps.ended(f"trained {RANKER}", measured[RANKER])
        publish_directory(place, folder / FINAL)
    return measured


def final_samples(data: Dataset, channels: dict[str, Any], ranker: Any, space: Workspace) -> tuple[Samples, Samples]:
    """Samples of the validation window and of the newest tenth, and those of the newest tenth alone.

    `channels` are those of the evaluation, which know nothing of the newest tenth.
    """
    config, processes = ranker.config, cores()
    earlier = load_channels(data, space.samples / "channels")
    before = make_shards(data, earlier, MERGE, config, space.samples / data.protocol, "validation", processes)
    newest = make_shards(data, channels, MERGE, config, space.samples / FINAL, "test", processes)
    return read(before + newest), read(newest)


def load_ranker(data: Dataset, folder: Path) -> Any:
    """The evaluated ranker; CineFeastError where there is none of these ratings."""
    ranker = model_class(RANKER).load(folder / RANKER, data.store)
    check_data(ranker, data, folder / RANKER)
    return ranker


def keep(model: Any, place: Path, folder: Path, dataset: str, started: float) -> dict[str, Any]:
    """Save a final model with what tells the choices that it was made with; what it measured."""
    model.provenance["choices"] = choices(folder / model.config.name)
    save(model, place, dataset, started)
    metrics: dict[str, Any] = model.metrics
    return metrics


def check_named(names: list[str], protocol: str) -> None:
    """CineFeastError where more, or something else, is asked for than the set that is served."""
    if names or protocol != "time":
        raise CineFeastError(f"--{FINAL} fits all that is served, which is one set of the split by time", COMMAND)
