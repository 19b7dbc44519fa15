"""`cinefeast train`: fit on the train split, choose on validation, refit on both, save."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, workspace
from models.artifacts import check_data
from models.dataset import CLOCK, SPLIT_COLUMN, Dataset, Protocol
from models.progress import Steps, say
from models.rank.registry import RANK
from models.recall.registry import MERGE, RECALL
from models.registry import model_class
from models.served import CHANNELS, FINAL, RANKER, served_models
from models.staging import put_in_place, staged

if TYPE_CHECKING:
    from models.rank.config import RankConfig

MODELS = (*RECALL, *RANK)
LATE_DAYS, MANY_LATE = 1, 0.1
"""A rating that came so many days after it was given is late; a larger share of them is told before training."""


def artifacts_of(space: Workspace, protocol: Protocol) -> Path:
    """Where the models of a protocol are saved; those of the time split are the ones that are served."""
    return space.artifacts if protocol == "time" else space.artifacts / protocol


def dataset_name(space: Workspace) -> str:
    """The landed data set's name."""
    try:
        manifest = json.loads((space.raw_movielens / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["dataset"])
    except (OSError, ValueError, KeyError):
        raise CineFeastError(f"no landed data set in {space.raw_movielens}", "cinefeast fetch ml-100k") from None


def train(names: list[str], protocol: Any = "time") -> dict[str, dict[str, Any]]:
    """Train the named models, those that are served if none is named; what each measured on validation.

    Each channel is fitted on `train` with `validation` as its judge, and then on both for as long as that took. The
    ranker learns from what the channels fitted on `train` bring in the validation window. The artifacts replace those
    before them when all are complete. Each measured `train_seconds`, the fit that validation judged, and
    `fit_seconds`, that of the model which is saved, the reading of features included.
    """
    from feature_repo.store import load_store
    from models.rank.samples import trained_on

    check_protocol(protocol)
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise CineFeastError(f"no model {', '.join(unknown)}: there are {', '.join(MODELS)}", "cinefeast train")
    wanted = [name for name in MODELS if name in (names or (*CHANNELS, RANKER))]
    if protocol == "leave-one-out":
        wanted = [name for name in wanted if name not in RANK]  # their samples need a validation window in time
    space = workspace()
    dataset = dataset_name(space)
    rankers = [name for name in wanted if name in RANK]
    needed = [name for name in RECALL if name in {*wanted, *(CHANNELS if rankers else ())}]
    folder = artifacts_of(space, protocol)
    steps = Steps(len(needed) + bool(rankers) + len(wanted))
    measured, fitted, samples = {}, {}, None
    with staged(folder, " ".join(["cinefeast train", *names])) as place:
        data = Dataset(load_store(), protocol)
        if line := late_history(data):
            say(line)
        for name in needed:
            fitted[name] = fit_channel(data, name, runs=space.runs)
            steps.ended(f"{name}, fitted on the train split")
        if rankers:
            samples = ranking_samples(data, {name: fitted[name] for name in CHANNELS}, space)
            steps.ended(f"samples of the validation window, {samples.groups:,} groups")
        for name in wanted:
            started = time.perf_counter()
            model = (
                fit_ranker(data, name, samples, runs=space.runs)
                if name in RANK
                else fitted[name].refit(data, "validation")
            )
            save(model, place, dataset, started)
            measured[name] = model.metrics
            steps.ended(f"trained {name}", model.metrics)
        put_in_place(place, folder, wanted)
        forget_final(space)
        if samples and RANKER in wanted:
            trained_on.keep(samples.pairs, rank_config().inputs, folder)
    return measured


def late_history(data: Dataset) -> str | None:
    """A line where so many ratings came long after they were given that features of labels know little of them."""
    if not data.is_known_time:
        return None
    with data.store.config.offline_store.opened() as connection:
        late = f"count(*) filter (landed_at > rated_at + interval {LATE_DAYS} day)"
        [(late_count, count)] = connection.sql(f"select {late}, count(*) from core.fct_ratings").fetchall()
    if late_count <= MANY_LATE * count:
        return None
    return (
        f"{late_count:,} of {count:,} ratings came over {LATE_DAYS} day after they were given, and features of labels "
        f"before that know nothing of them; next, if they are a history that was pushed: export {CLOCK}=event"
    )


def forget_final(space: Workspace) -> None:
    """Remove final models that were made with other choices than those of now, and their samples: none is served."""
    final = space.artifacts / FINAL
    if final.is_symlink() and served_models(space.artifacts).fit != FINAL:
        shown = final.resolve()
        final.unlink()
        shutil.rmtree(shown, ignore_errors=True)
        shutil.rmtree(space.samples / FINAL, ignore_errors=True)
        say(f"the final models were made with other choices and are gone; next: cinefeast train --{FINAL}")


def save(model: Any, place: Path, dataset: str, started: float) -> None:
    """Save a model that was begun to be fitted at `started` below `place`."""
    model.metrics = {**model.metrics, "fit_seconds": round(time.perf_counter() - started, 2)}
    model.provenance["dataset"] = dataset
    model.save(place / model.config.name)


def check_protocol(protocol: str) -> None:
    """CineFeastError where there is no such split."""
    if protocol not in SPLIT_COLUMN:
        raise CineFeastError(f"no protocol {protocol}: there are {', '.join(SPLIT_COLUMN)}", "cinefeast train")


def fit_channel(data: Dataset, name: str, changes: dict[str, Any] | None = None, runs: Path | None = None) -> Any:
    """A channel fitted on the train split; its configuration is the frozen one but for `changes`.

    Curves and checkpoints of its training lie below `runs`.
    """
    kind: Any = model_class(name)
    channel = kind(kind.Config.read(name).changed(changes or {}))
    channel.run = runs and runs / data.protocol / name / "train"
    started = time.perf_counter()
    channel.fit(data, "train")
    channel.metrics = {**channel.metrics, "train_seconds": round(time.perf_counter() - started, 2)}
    return channel


def ranking_samples(data: Dataset, channels: dict[str, Any], space: Workspace) -> Any:
    """What all rankers learn from: what channels of the train split bring in the validation window.

    The channels are kept beside the samples: whoever judges rankers on validation asks them, not those that are served.
    """
    from models.rank.samples.samples import make_samples

    for name, channel in channels.items():
        channel.save(space.samples / "channels" / name)
    return make_samples(data, channels, MERGE, rank_config(), space.samples / data.protocol, processes=cores())


def load_channels(data: Dataset, folder: Path) -> dict[str, Any]:
    """The channels that are merged, as saved below a folder; CineFeastError where they cannot judge these ratings."""
    channels = {name: model_class(name).load(folder / name, data.store) for name in CHANNELS}
    for name, channel in channels.items():
        check_data(channel, data, folder / name)
    return channels


def rank_config() -> "RankConfig":
    """The configuration of the ranker that is served."""
    return cast("RankConfig", model_class(RANKER).Config.read(RANKER))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fit_ranker(
    data: Dataset, name: str, samples: Any, changes: dict[str, Any] | None = None, runs: Path | None = None
) -> Any:
    """A ranker fitted on samples; its configuration is the frozen one but for `changes`."""
    kind: Any = model_class(name)
    ranker = kind(kind.Config.read(name).changed(changes or {}))
    ranker.run = runs and runs / data.protocol / name / "train"
    ranker.fit(data, samples, list(CHANNELS), "validation")
    return ranker
