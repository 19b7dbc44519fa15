"""Feature columns to the numbers a network takes. What is learned here (means, vocabularies) goes into the artifact."""

from typing import Any

import numpy as np
import pyarrow as pa

from models.columns import numbers


class Statistics:
    """Counts and numbers, standardised.

    A count that is null is none yet: log(1 + 0). A number that is null is put at the mean.
    """

    def __init__(self, counts: list[str], numbers: list[str]) -> None:
        self.counts = counts
        self.numbers = numbers
        self.mean = np.zeros(self.width, np.float32)
        self.deviation = np.ones(self.width, np.float32)

    @property
    def width(self) -> int:
        """How many numbers a row gets."""
        return len(self.counts) + len(self.numbers)

    def fit(self, table: pa.Table) -> None:
        """Learn mean and deviation over the table's rows."""
        self.mean, self.deviation = mean_and_deviation(self._raw(table), np.float32)

    def __call__(self, table: pa.Table) -> np.ndarray:
        """The table's rows as (n, width) float32."""
        return standardised(self._raw(table), self.mean, self.deviation).astype(np.float32)

    def _raw(self, table: pa.Table) -> np.ndarray:
        out = logs_and_numbers(table, self.counts, self.numbers)
        counted = out[:, : len(self.counts)]
        counted[np.isnan(counted)] = 0.0
        return out

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """What was learned, for the artifact."""
        return {f"{prefix}.mean": self.mean, f"{prefix}.deviation": self.deviation}

    def restore(self, prefix: str, tensors: dict[str, np.ndarray]) -> None:
        """Take it back."""
        self.mean, self.deviation = tensors[f"{prefix}.mean"], tensors[f"{prefix}.deviation"]


class Categories:
    """Text columns, one-hot over the values seen in training; an unseen or null value is all zeros."""

    def __init__(self, names: list[str], vocabulary: dict[str, list[str]] | None = None) -> None:
        self.names = names
        self.vocabulary = vocabulary or {name: [] for name in names}

    @property
    def width(self) -> int:
        """How many numbers a row gets."""
        return sum(len(values) for values in self.vocabulary.values())

    def fit(self, table: pa.Table) -> None:
        """Learn each column's values, sorted."""
        self.vocabulary = {
            name: sorted(str(value) for value in table[name].unique().to_pylist() if value is not None)
            for name in self.names
        }

    def __call__(self, table: pa.Table) -> np.ndarray:
        """The table's rows as (n, width) float32 of zeros and ones."""
        blocks = [np.empty((table.num_rows, 0), np.float32)]
        for name in self.names:
            values: Any = np.array([str(value) for value in table[name].to_pylist()], dtype=object)
            blocks.append((values[:, None] == np.array(self.vocabulary[name], object)[None, :]).astype(np.float32))
        return np.concatenate(blocks, axis=1)


def mean_and_deviation(raw: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the columns of (n, d), NaN aside, added up as `dtype`.

    The deviation of a column that never changed or was never known, whose mean is 0, is infinite: divided by it, the
    column stays at its mean for good, as no weight was learned for anything else.
    """
    known = np.where(np.isnan(raw).all(axis=0), 0.0, raw)
    deviation = np.nanstd(known, axis=0, dtype=dtype)
    return np.nanmean(known, axis=0, dtype=dtype), np.where(deviation < 1e-3, np.inf, deviation)


def standardised(raw: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The columns of (n, d) in deviations from their mean, clipped to 5; 0 where NaN."""
    found = ((raw - mean) / deviation).clip(-5, 5)
    return np.where(np.isnan(found), 0.0, found)


def logs_and_numbers(table: pa.Table, counts: list[str], others: list[str]) -> np.ndarray:
    """Columns side by side (n, c) float32, counts as log(1 + x); NaN where they are null."""
    out = np.empty((table.num_rows, len(counts) + len(others)), np.float32)
    for place, name in enumerate([*counts, *others]):
        out[:, place] = numbers(table, name)
    out[:, : len(counts)] = np.log1p(np.maximum(out[:, : len(counts)], 0))
    return out
