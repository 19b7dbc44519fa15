"""Training samples for rankers, made as serving will meet them, a shard at a time.

Recall channels that know only the train split bring candidates for events of the validation window; the film rated is
the positive, the negatives are drawn by configs/ranking.toml, and all features are as of the event's own moment. A film
that recall did not bring makes no sample: the ranker will never see such a film.

A shard is a folder of three parquet files, put in place by one rename: the users and the films as the offline store
streamed them, and the pairs with their crossed features. A run that was stopped goes on with the missing shards.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from models.columns import arrays, integers, numbers
from models.dataset import Dataset, Split, half
from models.progress import track
from models.rank.config import RankConfig
from models.rank.negatives import Drawer, Event
from models.rank.pairs import Facts, Pairs, make_pairs, recall_columns
from models.recall.merging import Merging
from models.two_stage import BROUGHT, fan_out

HISTORY = ("user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps")


@dataclass(frozen=True)
class Samples:
    """Groups of one positive and its negatives, in order of time."""

    pairs: Pairs
    """(g * size,) pairs, group after group, the positive first."""
    size: int
    """Films of a group."""
    rating: np.ndarray
    """(g,) float32: how the positive was rated."""
    kind: np.ndarray
    """(g * size,) int64: which of negatives.KINDS each pair is."""

    @property
    def groups(self) -> int:
        """How many positives."""
        return len(self.rating)

    def part(self, start: int, end: int) -> "Samples":
        """The groups from `start` up to `end`."""
        rows = np.arange(start * self.size, end * self.size)
        return Samples(self.pairs.take(rows), self.size, self.rating[start:end], self.kind[rows])

    @property
    def label(self) -> np.ndarray:
        """(g, size) float32: 1 for the positive."""
        return np.eye(1, self.size, dtype=np.float32).repeat(self.groups, axis=0)


@dataclass(frozen=True)
class Recipe:
    """All that a shard is made of; it travels to the processes that make them."""

    channels: dict[str, Any]
    merging: Merging
    config: RankConfig
    split: Split
    folder: Path


def make_samples(
    data: Dataset, channels: dict[str, Any], merging: Merging, config: RankConfig, folder: Path,
    split: Split = "validation", processes: int = 1,
) -> Samples:  # fmt: skip
    """Samples of the latest events of a split; its shards lie in `folder`, and those that do already are kept."""
    shards = build(data, Recipe(channels, merging, config, split, folder), processes)
    if not shards:
        raise CineFeastError(f"recall brought none of the films rated in the {split} window", "fetch a larger data set")
    return read(shards)


def events_of(data: Dataset, config: RankConfig, split: Split) -> pa.Table:
    """The latest events of a split, in order of time, whose film was liked."""
    events = data.interactions(split).sort_by([("event_timestamp", "ascending"), ("rating_id", "ascending")])
    events = events.filter(pa.array(numbers(events, "rating") >= config.samples.liked))
    return events.slice(max(0, events.num_rows - config.samples.events))


def build(data: Dataset, recipe: Recipe, processes: int = 1) -> list[Path]:
    """Make the shards that are missing; the folders of all that hold a sample, in order."""
    begin(recipe, identity(data, recipe))
    count = -(-events_of(data, recipe.config, recipe.split).num_rows // recipe.config.samples.shard)
    missing = [n for n in range(count) if not place(recipe.folder, n).exists()]
    if processes > 1 and len(missing) > 1:
        spawn = multiprocessing.get_context("spawn")  # a fork would share the parent's open warehouse
        arguments = (data.protocol, recipe)
        with ProcessPoolExecutor(processes, spawn, initializer=_start, initargs=arguments) as pool:
            list(track(pool.map(_make, missing), "samples: shards"))
    else:
        maker = Maker(data, recipe)
        for n in track(missing, "samples: shards"):
            maker.make(n)
    shards = [place(recipe.folder, n) for n in range(count)]
    return [shard for shard in shards if pq.read_metadata(shard / "pairs.parquet").num_rows]


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


def place(folder: Path, n: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{n:05d}"


_maker: "Maker"


def _start(protocol: Any, recipe: Recipe) -> None:
    """What a process begins with: a store of its own."""
    global _maker
    from feature_repo.store import load_store

    _maker = Maker(Dataset(load_store(), protocol), recipe)


def _make(n: int) -> int:
    return _maker.make(n)


class Maker:
    """Makes one shard after another."""

    def __init__(self, data: Dataset, recipe: Recipe) -> None:
        self.data, self.recipe = data, recipe
        self.events = events_of(data, recipe.config, recipe.split)
        service = recipe.config.service
        until: Split = "train" if recipe.split == "validation" else "validation"
        films = data.catalogue(service, until)
        counted = dict(
            zip(*np.unique(integers(data.interactions("train"), "movie_id"), return_counts=True), strict=True)
        )
        counts = np.array([counted.get(film, 0) for film in integers(films, "movie_id")])
        self.drawer = Drawer(films, counts, recipe.config.samples)
        self.facts = Facts(data.catalogue(service, "test"))  # facts alone are taken of it, and they never change

    def make(self, n: int) -> int:
        """Make shard `n`; how many pairs it has."""
        size = self.recipe.config.samples.shard
        events = self.events.slice(n * size, size)
        target = place(self.recipe.folder, n)
        building = target.with_name(f".{target.name}-{os.getpid()}")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        pairs = self._write(events, building, np.random.default_rng([self.recipe.config.seed, n]))
        building.replace(target)
        return pairs

    def _write(self, events: pa.Table, folder: Path, rng: np.random.Generator) -> int:
        config, channels = self.recipe.config, self.recipe.channels
        frame = events.select(["user_id", "event_timestamp"]).to_pandas()
        services = [config.service, *(channel.config.service for channel in channels.values())]
        wanted = [name for service in services for name in half(self.data.store, service, "user_")]
        self.data.stream(list(dict.fromkeys(wanted)), frame, folder / "users.parquet")
        users = pq.read_table(folder / "users.parquet")
        candidates = fan_out(channels, self.recipe.merging, users, arrays(users, HISTORY[0]), BROUGHT)
        ids, kinds, kept = self._drawn(events, users, candidates.ids, rng)
        film, moments = ids.ravel(), np.repeat(frame["event_timestamp"].to_numpy()[kept], ids.shape[1])
        code, once = pd.factorize(pd.MultiIndex.from_arrays([film, moments]))
        asked = pd.DataFrame({"movie_id": [f for f, _ in once], "event_timestamp": [at for _, at in once]})
        user = np.repeat(np.arange(len(kept)), ids.shape[1])
        users = users.take(pa.array(kept))
        if len(kept):
            self.data.stream(half(self.data.store, config.service, "movie_"), asked, folder / "films.parquet")
            films = pq.read_table(folder / "films.parquet")
            listed = candidates.ids[kept][user] == film[:, None]
            columns = recall_columns(candidates, list(channels))[kept][user, listed.argmax(axis=1)]
            recall = np.where(listed.any(axis=1)[:, None], columns, 0.0).astype(np.float32)
            pairs = make_pairs(users, films, user, code, recall, self.facts)
            rated = {"rating": np.repeat(numbers(events, "rating")[kept], ids.shape[1]), "kind": kinds.ravel()}
            columns_ = {"user": user, "film": code, **rated, **pairs.crossed, "recall": list(pairs.recall)}
        else:
            columns_ = {"user": user}
        pq.write_table(trimmed(users, config), folder / "users.parquet")
        pq.write_table(pa.table(columns_), folder / "pairs.parquet")
        return len(user)

    def _drawn(
        self, events: pa.Table, users: pa.Table, pool: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Films (g, size) and kinds of each event that makes a group, and which events these are (g,)."""
        seen, given = arrays(users, HISTORY[0]), arrays(users, HISTORY[1])
        ids: list[np.ndarray] = []
        kinds: list[np.ndarray] = []
        kept: list[int] = []
        for row, film in enumerate(integers(events, "movie_id")):
            brought = pool[row][pool[row] >= 0]
            if film not in brought:
                continue
            low = seen[row][given[row] <= self.recipe.config.samples.low_rating]
            films, of = self.drawer.draw(Event(int(film), brought, seen[row], low), rng)
            if films[-1] >= 0:  # else the catalogue is smaller than a group
                ids.append(films)
                kinds.append(of)
                kept.append(row)
        size = 1 + self.recipe.config.samples.negatives
        empty = np.empty((0, size), np.int64)
        return np.array(ids or empty), np.array(kinds or empty), np.array(kept, np.int64)


def trimmed(users: pa.Table, config: RankConfig) -> pa.Table:
    """The users' rows with the last films alone, which is all that rankers read: shards stay small."""
    for name in HISTORY:
        values = [row[-config.inputs.window :] for row in arrays(users, name)]
        kind = users.schema.field(name).type
        users = users.set_column(users.column_names.index(name), name, pa.array(values, kind))
    return users


def read(shards: list[Path]) -> Samples:
    """The samples of shards, in their order."""
    tables = {
        name: [pq.read_table(shard / f"{name}.parquet") for shard in shards] for name in ("users", "films", "pairs")
    }
    starts = {name: np.cumsum([0, *(table.num_rows for table in tables[name])]) for name in ("users", "films")}
    pairs = pa.concat_tables(tables["pairs"]).combine_chunks()

    def rows(kind: str, name: str) -> np.ndarray:
        return np.concatenate([integers(t, name) + s for t, s in zip(tables["pairs"], starts[kind], strict=False)])

    recall = np.stack(pairs["recall"].to_numpy(zero_copy_only=False)).astype(np.float32)
    own = {"user", "film", "rating", "kind", "recall"}
    crossed = {name: numbers(pairs, name) for name in pairs.column_names if name not in own}
    users, films = (pa.concat_tables(tables[name]).combine_chunks() for name in ("users", "films"))
    size = int(np.diff(np.flatnonzero(np.append(integers(pairs, "kind") == 0, True)))[0])
    made = Pairs(users, films, rows("users", "user"), rows("films", "film"), crossed, recall)
    return Samples(made, size, numbers(pairs, "rating")[::size], integers(pairs, "kind"))
