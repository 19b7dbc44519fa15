"""The ids a model knows: row r of an artifact's tensors is the film (or user) `values[r]`."""

import numpy as np

TABLE = 4_000_000
"""Ids below this are looked up in a table of so many places, which takes a tenth of a search."""


class Ids:
    """dbt's ids in a fixed order, carried with the artifact; ids to rows and back."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.asarray(values, np.int64)
        self._order = np.argsort(self.values, kind="stable")
        self._sorted = self.values[self._order]
        is_small = len(self.values) > 0 and self._sorted[0] >= 0 and self._sorted[-1] < TABLE
        self._table = np.full(self._sorted[-1] + 2, -1, np.int32) if is_small else None  # its last place: unknown
        if self._table is not None:
            self._table[self._sorted[::-1]] = self._order[::-1]  # of ids that stand twice the first one counts

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Rows (int64, any shape) of ids; -1 for an id unknown here."""
        wanted = np.asarray(ids, np.int64)
        if not len(self):
            return np.full(wanted.shape, -1, np.int64)
        if self._table is not None:
            end = len(self._table) - 1
            return self._table[np.where((wanted >= 0) & (wanted < end), wanted, end)].astype(np.int64)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self) - 1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Ids of rows; -1 stays -1."""
        if not len(self):
            return np.full(rows.shape, -1, np.int64)
        return np.where(rows >= 0, self.values[rows], -1)
