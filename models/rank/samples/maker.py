"""Makes shards of samples: recall for the events of several, negatives, then the features of all pairs.

The offline store is asked twice for all shards together, for users and for films, and streams both. So memory is that
of one shard's users and films, and of what is kept of the users that make a group: their last films.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo import affinity
from models.columns import arrays, integers, last, numbers
from models.dataset import Dataset, Split, half
from models.rank.config import RankConfig
from models.rank.samples.negatives import Drawer, PositiveEvent
from models.rank.samples.pairs import PreparedFilms, make_pairs, recall_columns
from models.recall.fan_out import BROUGHT, brought_by, of_few
from models.recall.merge import merge
from models.recall.merging import Merging

HISTORY = ("user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps")


@dataclass(frozen=True)
class Recipe:
    """All that a shard is made of; it travels to the processes that make them."""

    channels: dict[str, Any]
    merging: Merging
    config: RankConfig
    split: Split
    folder: Path


@dataclass(frozen=True)
class Draft:
    """A shard before its films are asked for: g groups of one positive and its negatives."""

    n: int
    users: pa.Table
    """A row a group, with the last films alone."""
    rating: np.ndarray
    """(g,) float32: how the positive was rated."""
    kind: np.ndarray
    """(g, size) int64: which of negatives.KINDS each is."""
    recall: np.ndarray
    """(g * size, 1 + 2 * channels) float32."""
    film: np.ndarray
    """(g * size,) int64 row of `asked`."""
    asked: pd.DataFrame
    """Films and moments that features are wanted of, each once."""


def events_of(data: Dataset, config: RankConfig, split: Split) -> pa.Table:
    """The latest events of a split, in order of time, whose film was liked."""
    events = data.interactions(split).sort_by([("event_timestamp", "ascending"), ("rating_id", "ascending")])
    events = events.filter(pa.array(numbers(events, "rating") >= config.samples.liked))
    return events.take(np.arange(max(0, events.num_rows - config.samples.events), events.num_rows))


def place(folder: Path, n: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{n:05d}"


def prepare(data: Dataset, recipe: Recipe) -> "Maker":
    """Read what all shards share."""
    service = recipe.config.service
    films = data.catalogue(service, "train" if recipe.split == "validation" else "validation")
    counted = {row["values"]: row["counts"] for row in pc.value_counts(data.interactions("train")["movie_id"]).tolist()}
    counts = np.array([counted.get(film, 0) for film in integers(films, "movie_id")])
    drawer = Drawer(films, counts, recipe.config.samples)
    # facts alone are taken of it, and they never change
    facts = PreparedFilms(data.catalogue(service, "test"), alone=True)
    return Maker(data, recipe, events_of(data, recipe.config, recipe.split), drawer, facts)


class Maker:
    """Makes shards, some after another."""

    def __init__(self, data: Dataset, recipe: Recipe, events: pa.Table, drawer: Drawer, facts: PreparedFilms) -> None:
        self.data, self.parts = data, (recipe, events, drawer, facts)
        self.recipe, self.events, self.drawer, self.facts = self.parts

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.events.num_rows // self.recipe.config.samples.shard)

    def make(self, shards: Sequence[int]) -> Iterator[int]:
        """Make the shards `shards`, in this order; the number of each that is in place."""
        drafts = list(self._drafts(shards))
        wanted = [draft.asked for draft in drafts if len(draft.asked)]
        features = half(self.data.store, self.recipe.config.service, "movie_")
        films = self.data.parts(features, pd.concat(wanted), map(len, wanted)) if wanted else iter(())
        for draft in drafts:
            self._write(draft, next(films) if len(draft.asked) else None)
            yield draft.n

    def _drafts(self, shards: Sequence[int]) -> Iterator[Draft]:
        config, channels, size = self.recipe.config, self.recipe.channels, self.recipe.config.samples.shard
        events = [self.events.slice(n * size, size) for n in shards]
        services = [config.service, *(channel.config.service for channel in channels.values())]
        wanted = [name for service in services for name in half(self.data.store, service, "user_")]
        frame = pa.concat_tables(events).select(["user_id", "event_timestamp"]).to_pandas()
        parts = self.data.parts(list(dict.fromkeys(wanted)), frame, [part.num_rows for part in events])
        for n, of_shard, users in zip(shards, events, parts, strict=True):
            yield self._draft(n, of_shard, users)

    def _draft(self, n: int, events: pa.Table, users: pa.Table) -> Draft:
        """Recall for the events of a shard, and the negatives of each whose film was brought."""
        seen, given = arrays(users, HISTORY[0]), arrays(users, HISTORY[1])
        film = integers(events, "movie_id")
        brought = brought_by(self.recipe.channels, users, seen)
        named = np.any([(ids == film[:, None]).any(axis=1) for ids, _ in brought.values()], axis=0)
        rows = np.flatnonzero(named)  # a film that no channel names is not merged in
        lists = {name: (ids[rows], scores[rows]) for name, (ids, scores) in brought.items()}
        pool = merge(lists, self.recipe.merging, BROUGHT, few=of_few(seen)[rows])
        rng = np.random.default_rng([self.recipe.config.seed, n])
        ids, kinds, kept = [], [], []
        for place_, row in enumerate(rows):
            merged = pool.ids[place_][pool.ids[place_] >= 0]
            if film[row] not in merged:  # beyond its channel's quota
                continue
            low = seen[row][given[row] <= self.recipe.config.samples.low_rating]
            films, of = self.drawer.draw(PositiveEvent(int(film[row]), merged, seen[row], low), rng)
            if films[-1] >= 0:  # else the catalogue is smaller than a group
                ids.append(films)
                kinds.append(of)
                kept.append(place_)
        drawn = np.array(ids, np.int64).reshape(len(kept), 1 + self.recipe.config.samples.negatives)
        kind = np.array(kinds, np.int64).reshape(drawn.shape)
        group, kept_rows = np.array(kept, np.int64), rows[np.array(kept, np.int64)]
        user = np.repeat(group, drawn.shape[1])
        listed = pool.ids[user] == drawn.ravel()[:, None]
        columns = recall_columns(pool, list(self.recipe.channels))[user, listed.argmax(axis=1)]
        recall = np.where(listed.any(axis=1)[:, None], columns, 0.0).astype(np.float32)
        event_times = events["event_timestamp"].to_pandas().to_numpy()[kept_rows]
        code, asked = once(drawn.ravel(), np.repeat(event_times, drawn.shape[1]))
        users = trimmed(users.take(pa.array(kept_rows)), affinity.WATCHED)
        return Draft(n, users, numbers(events, "rating")[kept_rows], kind, recall, code, asked)

    def _write(self, draft: Draft, films: pa.Table | None) -> None:
        target = place(self.recipe.folder, draft.n)
        building = target.with_name(f".{target.name}-{os.getpid()}")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        user = np.repeat(np.arange(draft.users.num_rows), draft.kind.shape[1] if films else 1)
        columns: dict[str, Any] = {"user": user}
        if films:
            pairs = make_pairs(draft.users, films, user, draft.film, draft.recall, self.facts, self.facts.shown(films))
            rated = {"rating": np.repeat(draft.rating, draft.kind.shape[1]), "kind": draft.kind.ravel()}
            ends = np.arange(len(user) + 1, dtype=np.int32) * draft.recall.shape[1]
            recall = pa.ListArray.from_arrays(ends, pairs.recall.ravel())
            columns |= {"film": draft.film, **rated, **pairs.crossed, "recall": recall}
            pq.write_table(films, building / "films.parquet", compression="zstd")
        users = trimmed(draft.users, self.recipe.config.inputs.window)
        pq.write_table(users, building / "users.parquet", compression="zstd")
        pq.write_table(pa.table(columns), building / "pairs.parquet", compression="zstd")
        building.replace(target)


def once(films: np.ndarray, event_times: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Films and moments (p,) as a frame of each pair once, in order of appearance, and the frame's row of each (p,)."""
    film, known = pd.factorize(films)
    event_time, times = pd.factorize(event_times)
    code, pairs = pd.factorize(film * (len(times) + 1) + event_time)
    film, event_time = np.divmod(pairs, len(times) + 1)
    return code, pd.DataFrame({"movie_id": known[film], "event_timestamp": times[event_time]})


def trimmed(users: pa.Table, width: int) -> pa.Table:
    """The users' rows with the last films alone, which is all that crossing, or a ranker, reads."""
    for name in HISTORY:
        users = users.set_column(users.column_names.index(name), name, last(users, name, width))
    return users
