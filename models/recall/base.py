"""What a recall channel is: fit on splits, recommend films for rows of user features."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from models.artifacts import Model
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids

CHUNK = 1024


class Recaller(Model):
    """A recall channel. `config.service` names the one Feast service whose features it reads."""

    run: Path | None = None
    """Where training leaves its curves and checkpoints; nowhere if None."""

    @abstractmethod
    def fit(self, data: Dataset, until: Split) -> None:
        """Learn from the splits up to and with `until`, and show films as they stood at its end."""

    @abstractmethod
    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best `k` films a user: ids (n, k) int64 and scores (n, k) float32, best first.

        `users` holds the channel's user features, a row a user, from history or online alike; `exclude` the
        movie ids to leave out, one array a user. Where fewer films are left, or nothing is known of the user,
        ids are padded with -1 and scores with -inf. Equal scores keep the catalogue's order.
        """

    def refit(self, data: Dataset, until: Split) -> Self:
        """A model of the same configuration, fitted up to `until` with what this one's validation found."""
        model = type(self)(self.config)
        model.run = self.run and self.run.with_name(until)
        model.fit(data, until)
        model.metrics = self.metrics | model.metrics
        return model

    def refreshed(self, data: Dataset) -> Self:
        """The same knowledge with films and counts as of the newest rating. Nothing is trained: counting is all that
        a channel without weights learns by."""
        return self.refit(data, SPLITS[-1])


def recommended(
    score: Callable[[slice], np.ndarray], n: int, k: int, exclude: list[np.ndarray] | None, films: Ids
) -> tuple[np.ndarray, np.ndarray]:
    """What `recommend` answers for `n` users, given the dense scores (c, m) of a slice of them at a time.

    Scores may be written to. A film scored -inf or NaN is not named.
    """
    ids, values = [], []
    for start in range(0, max(n, 1), CHUNK):  # no user: one empty slice
        some = slice(start, min(start + CHUNK, n))
        found = best(leave_out(score(some), exclude[some] if exclude else None, films), k, films)
        ids.append(found[0])
        values.append(found[1])
    return np.concatenate(ids), np.concatenate(values)


def best(scores: np.ndarray, k: int, films: Ids) -> tuple[np.ndarray, np.ndarray]:
    """The `k` best films of dense scores (n, m): ids and scores (n, k), padded; -inf and NaN never appear."""
    rows, values = top(scores, k)
    return films.at(rows), values


def top(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns of the `k` highest scores of each row (n, m), equal ones by column, and the scores: as `best`."""
    rows = np.full((len(scores), k), -1, np.int64)
    values = np.full((len(scores), k), -np.inf, np.float32)
    for i, line in enumerate(scores):
        held = np.flatnonzero(line > -np.inf)  # which NaN is not, either
        if len(held) > k:
            # every film that ties with the k-th stays in until the stable sort has settled the order
            held = held[line[held] >= np.partition(line[held], -k)[-k]]
        held = held[np.argsort(-line[held], kind="stable")][:k]
        rows[i, : len(held)], values[i, : len(held)] = held, line[held]
    return rows, values


def leave_out(scores: np.ndarray, exclude: list[np.ndarray] | None, films: Ids) -> np.ndarray:
    """Set the scores (n, m) of each user's excluded movie ids to -inf, in place."""
    for i, ids in enumerate(exclude or []):
        rows = films.rows(ids)
        scores[i, rows[rows >= 0]] = -np.inf
    return scores
