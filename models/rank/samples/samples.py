"""Training samples for rankers, made as serving will meet them, a shard at a time.

Recall channels that know only the train split bring candidates for events of the validation window; the film rated is
the positive, the negatives are drawn by configs/ranking.toml, and all features are as of the event's own moment. A film
that recall did not bring makes no sample: the ranker will never see such a film. For the final fit, samples of the test
window are made in the same way, by channels that know train and validation (models/final.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from models.columns import integers, numbers, ragged
from models.dataset import SPLITS, Dataset, Split
from models.rank.config import RankConfig
from models.rank.samples.maker import Recipe, prepare
from models.rank.samples.pairs import Pairs
from models.rank.samples.shards import build
from models.recall.merging import Merging


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


def make_samples(
    data: Dataset, channels: dict[str, Any], merging: Merging, config: RankConfig, folder: Path,
    split: Split = "validation", processes: int = 1,
) -> Samples:  # fmt: skip
    """Samples of the latest events of a split; its shards lie in `folder`, and those that do already are kept."""
    return read(make_shards(data, channels, merging, config, folder, split, processes))


def make_shards(
    data: Dataset, channels: dict[str, Any], merging: Merging, config: RankConfig, folder: Path,
    split: Split = "validation", processes: int = 1,
) -> list[Path]:  # fmt: skip
    """The shards of `make_samples`. Channels that have learned the split would name what they were told: an error."""
    seen = [name for name, channel in channels.items() if not is_before(channel.provenance["trained_until"], split)]
    if seen:
        raise ValueError(f"{', '.join(seen)} learned the {split} window that samples are to be made of")
    shards = build(prepare(data, Recipe(channels, merging, config, split, folder)), processes)
    if not shards:
        raise CineFeastError(f"recall brought none of the films rated in the {split} window", "fetch a larger data set")
    return shards


def is_before(until: Split, split: Split) -> bool:
    """Whether who learned up to `until` has seen nothing of `split`."""
    return SPLITS.index(until) < SPLITS.index(split)


def read(shards: list[Path]) -> Samples:
    """The samples of shards, in their order."""
    tables = {
        name: [pq.read_table(shard / f"{name}.parquet") for shard in shards] for name in ("users", "films", "pairs")
    }
    starts = {name: np.cumsum([0, *(table.num_rows for table in tables[name])]) for name in ("users", "films")}
    pairs = pa.concat_tables(tables["pairs"]).combine_chunks()

    def rows(kind: str, name: str) -> np.ndarray:
        return np.concatenate([integers(t, name) + s for t, s in zip(tables["pairs"], starts[kind], strict=False)])

    recall = ragged(pairs, "recall")[0].reshape(pairs.num_rows, -1)
    own = {"user", "film", "rating", "kind", "recall"}
    crossed = {name: numbers(pairs, name) for name in pairs.column_names if name not in own}
    users, films = (pa.concat_tables(tables[name]).combine_chunks() for name in ("users", "films"))
    size = int(np.diff(np.flatnonzero(np.append(integers(pairs, "kind") == 0, True)))[0])
    made = Pairs(users, films, rows("users", "user"), rows("films", "film"), crossed, recall)
    return Samples(made, size, numbers(pairs, "rating")[::size], integers(pairs, "kind"))
