"""The folder of shards: which recipe they are of, which are missing, and the processes that make these.

A shard is a folder of three parquet files, put in place by one rename: the users and the films as the offline store
told of them, and the pairs with their crossed features. A run that was stopped goes on with the missing shards.
"""

import hashlib
import json
import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from models.dataset import Dataset, Protocol
from models.progress import track
from models.rank.samples.maker import Maker, Recipe, place

TOGETHER = 100_000
"""Events whose features are asked for at once, shard after shard: an as-of join costs nearly the same for few."""


def build(maker: Maker, processes: int = 1) -> list[Path]:
    """Make the shards that are missing; the folders of all that hold a sample, in order."""
    begin(maker.recipe, identity(maker.data, maker.recipe))
    shards = [place(maker.recipe.folder, n) for n in range(maker.shards)]
    missing = [n for n, shard in enumerate(shards) if not shard.exists()]
    for _ in track(_made(maker, missing, processes), "samples: shards", len(missing)):
        pass
    return [shard for shard in shards if pq.read_metadata(shard / "pairs.parquet").num_rows]


def _made(maker: Maker, missing: list[int], processes: int) -> Iterator[int]:
    """Make the shards, each process some after another; the number of each that is there."""
    together = max(1, min(TOGETHER // maker.recipe.config.samples.shard, -(-len(missing) // processes)))
    runs = [missing[start : start + together] for start in range(0, len(missing), together)]
    if processes == 1 or len(runs) < 2:
        yield from chain.from_iterable(map(maker.make, runs))
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would share the parent's open warehouse
    arguments = (maker.data.protocol, maker.parts)
    with ProcessPoolExecutor(processes, spawn, initializer=_start, initargs=arguments) as pool:
        yield from chain.from_iterable(pool.map(_make, runs))


_maker: Maker


def _start(protocol: Protocol, parts: tuple[Any, ...]) -> None:
    """What a process begins with: a store of its own."""
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C ends it without a word: its parent has one
    from feature_repo.store import load_store

    _maker = Maker(Dataset(load_store(), protocol), *parts)


def _make(shards: list[int]) -> list[int]:
    return list(_maker.make(shards))


def identity(data: Dataset, recipe: Recipe) -> str:
    """What shards depend on: other shards than of this are thrown away."""
    made = {
        "samples": recipe.config.samples.model_dump(), "seed": recipe.config.seed, "split": recipe.split,
        "window": recipe.config.inputs.window, "data": data.data_hash, "merge": recipe.merging.model_dump(),
        "channels": {n: [c.config.model_dump(), c.provenance.get("trained_until")] for n, c in recipe.channels.items()},
    }  # fmt: skip
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def begin(recipe: Recipe, identity: str) -> None:
    """An empty folder, unless it holds shards of the same identity."""
    note = recipe.folder / "identity"
    if not note.exists() or note.read_text(encoding="utf-8") != identity:
        shutil.rmtree(recipe.folder, ignore_errors=True)
        recipe.folder.mkdir(parents=True)
        note.write_text(identity, encoding="utf-8")
