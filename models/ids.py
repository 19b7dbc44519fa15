"""The ids a model knows: row r of an artifact's tensors is the film (or user) `values[r]`."""

import numpy as np


class Ids:
    """dbt's ids in a fixed order, carried with the artifact; ids to rows and back."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.asarray(values, np.int64)
        self._order = np.argsort(self.values, kind="stable")
        self._sorted = self.values[self._order]

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Rows (int64, any shape) of ids; -1 for an id unknown here."""
        wanted = np.asarray(ids, np.int64)
        if not len(self):
            return np.full(wanted.shape, -1, np.int64)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self) - 1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Ids of rows; -1 stays -1."""
        if not len(self):
            return np.full(rows.shape, -1, np.int64)
        return np.where(rows >= 0, self.values[rows], -1)
