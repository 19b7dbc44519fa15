"""What `cinefeast bench samples` measures: how fast samples are made, and with how much memory."""

import shutil
import time
from typing import TYPE_CHECKING, Any, cast

from dbt_project.workspace import Workspace
from feature_repo.bench.process import run
from models.recall.registry import MERGE
from models.registry import model_class
from models.served import CHANNELS, RANKER

if TYPE_CHECKING:
    from models.rank.samples.maker import Maker

STEPS = "models.bench.samples"
ALL = 320_000_000
"""Rows of all 32 million ratings of MovieLens 32M, ten each."""


def measure(space: Workspace, events: int) -> dict[str, Any]:
    """Make samples of the latest validation events by one process and by all cores; rows a second and peak memory.

    Recall is that of the trained channels, or of popularity alone where they are not all there. `hours_320m` is how
    long as many rows take at the rate of all cores. `rows_per_cpu_s` tells what one process makes in a second of its
    own, whatever else the machine does, `recall_cpu_ms` what the channels take of it for one event.
    """
    from models.train import cores

    scratch = space.root / "bench" / "samples"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        alone = run("make", scratch, STEPS, "samples", events=events, processes=1)
        several = alone if cores() == 1 else run("make", scratch, STEPS, "samples", events=events, processes=cores())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    rate = several.result["rows_per_s"]
    return {
        **{name: alone.result[name] for name in ("channels", "events", "rows")}, "processes": cores(),
        "seconds": several.result["seconds"], "rows_per_s_one_process": alone.result["rows_per_s"], "rows_per_s": rate,
        "rows_per_cpu_s": alone.result["rows_per_cpu_s"], "recall_cpu_ms": alone.result["recall_cpu_ms"],
        "peak_gb_one_process": round(alone.peak_gb, 2), "peak_gb_worker": several.result["peak_gb_worker"],
        "hours_320m": round(ALL / rate / 3600, 2),
    }  # fmt: skip


def make(events: int, processes: int) -> dict[str, Any]:
    """The step: samples into a folder that is removed by the caller. Reading what all shards share is not timed."""
    import resource

    import pyarrow.parquet as pq

    from dbt_project.workspace import workspace
    from feature_repo.bench.process import KIB
    from feature_repo.store import load_store
    from models.dataset import Dataset
    from models.rank.config import RankConfig
    from models.rank.samples.maker import Recipe, prepare
    from models.rank.samples.shards import build
    from models.recall.merging import Merging
    from models.train import fit_channel

    space = workspace()
    data = Dataset(load_store())
    served = all((space.artifacts / name / "config.json").exists() for name in CHANNELS)
    names = CHANNELS if served else ("popularity",)
    channels: dict[str, Any] = (
        {name: model_class(name).load(space.artifacts / name, data.store) for name in names}
        if served
        else {name: fit_channel(data, name) for name in names}
    )
    config = cast(RankConfig, model_class(RANKER).Config.read(RANKER))
    settings = config.samples.model_copy(update={"events": events})
    config = config.model_copy(update={"samples": settings})
    folder = space.root / "bench" / "samples" / f"by-{processes}"
    merging = MERGE if served else Merging.even(list(names))
    maker = prepare(data, Recipe(channels, merging, config, "validation", folder))
    data.data_hash  # noqa: B018 - reads all ratings once
    started, busy = time.perf_counter(), time.process_time()
    shards = build(maker, processes)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    rows = sum(pq.read_metadata(shard / "pairs.parquet").num_rows for shard in shards)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIB
    return {
        "channels": list(names), "events": maker.events.num_rows, "rows": rows,
        "seconds": round(seconds, 1), "rows_per_s": round(rows / seconds, 1),
        "rows_per_cpu_s": round(rows / busy, 1), "recall_cpu_ms": recall_ms(maker), "peak_gb_worker": round(worker, 2),
    }  # fmt: skip


def recall_ms(maker: "Maker") -> float:
    """CPU milliseconds an event that the channels take, asked for the first shard, before any merging."""
    from models.columns import arrays
    from models.recall.fan_out import brought_by

    recipe = maker.recipe
    frame = maker.events.slice(0, recipe.config.samples.shard).select(["user_id", "event_timestamp"]).to_pandas()
    services = [recipe.config.service, *(channel.config.service for channel in recipe.channels.values())]
    users = maker.data.users(services, frame)
    seen = arrays(users, "user_seen_movie_ids")
    busy = time.process_time()
    brought_by(recipe.channels, users, seen)
    return round((time.process_time() - busy) * 1e3 / len(frame), 3)
