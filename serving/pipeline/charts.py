"""The films with most ratings, of all time and lately: what the online store counts now, events included.

All films' counts are read once, when the models are loaded; after that those alone whose features events have renewed,
when a chart is asked for.
"""

import sqlite3
import threading
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from feature_repo.running import RECENT_SECONDS
from models.columns import arrays, integers, ragged
from models.ids import Ids
from serving.events.ledger import Mark, renewed_since
from serving.features.reader import OnlineFeatures
from serving.telemetry.deadlines import StageError, Stages

RECENT = "movie_recent_timestamps"


@dataclass(frozen=True)
class Counts:
    """How often each of m films was rated, and when of late. Immutable: what is read again stands beside the rest."""

    films: Ids
    ratings: np.ndarray
    """(m,) of all time."""
    row: np.ndarray
    """(r,) the film of each rating of the 90 days up to its film's last one, as of when all were read."""
    second: np.ndarray
    """(r,) when that was, since 1970, ascending."""
    fresh: dict[int, np.ndarray]
    """Film to such seconds, ascending, for those read again since."""

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """Of what `OnlineFeatures.counts` reads of all films."""
        seconds, offsets = ragged(table, RECENT)
        order = np.argsort(seconds, kind="stable")
        row = np.repeat(np.arange(table.num_rows), np.diff(offsets))[order]
        films = Ids(integers(table, "movie_id"))
        return cls(films, integers(table, "movie_count_ratings", 0), row, seconds[order].astype(np.int64), {})

    def renewed(self, table: pa.Table) -> Self:
        """These with some films as they were read again, which takes no time for the others."""
        ids = integers(table, "movie_id")
        new = ids[self.films.rows(ids) < 0]
        films = Ids(np.concatenate([self.films.values, new])) if len(new) else self.films
        at = films.rows(ids)
        ratings = np.concatenate([self.ratings, np.zeros(len(new), np.int64)])
        ratings[at] = integers(table, "movie_count_ratings", 0)
        seconds = dict(zip(at.tolist(), arrays(table, RECENT), strict=True))
        return replace(self, films=films, ratings=ratings, fresh=self.fresh | seconds)

    def of_film(self, movie_id: int) -> int:
        """The ratings of one film; 0 for one that is not known."""
        at = int(self.films.rows(np.array([movie_id]))[0])
        return int(self.ratings[at]) if at >= 0 else 0

    @cached_property
    def popular(self) -> "Chart":
        """By the ratings of all time."""
        return Chart(self.films.values, self.ratings, self.ratings)

    @cached_property
    def trending(self) -> "Chart":
        """By the ratings of the 90 days up to the last one of all; films without any follow, by those of all time."""
        last = max((int(seconds[-1]) for seconds in (self.second, *self.fresh.values()) if len(seconds)), default=0)
        # one of a wrong clock does not move the window
        start = min(last, int(time.time())) - RECENT_SECONDS
        late = self.row[np.searchsorted(self.second, start, "right") :]
        recent = np.bincount(late, minlength=len(self.films))
        for row, seconds in self.fresh.items():
            recent[row] = len(seconds) - np.searchsorted(seconds, start, "right")
        return Chart(self.films.values, recent, self.ratings)


class Chart:
    """Films by a number of theirs, the highest first; equal ones by another, then by id. None without a rating."""

    def __init__(self, ids: np.ndarray, numbers: np.ndarray, ratings: np.ndarray) -> None:
        order = np.lexsort((ids, -ratings, -numbers))
        order = order[ratings[order] > 0]
        self.films, self.numbers = Ids(ids[order]), numbers[order].astype(np.float32)

    def without(self, exclude: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `size` films that are not excluded: ids and numbers."""
        is_left = np.ones(len(self.films) + 1, bool)  # its last place is that of films that are not in the chart
        is_left[self.films.rows(exclude)] = False
        rows = np.flatnonzero(is_left[:-1])[:size]
        return self.films.values[rows], self.numbers[rows]


class Charts:
    """The counts as of now. Thread-safe."""

    def __init__(self, features: OnlineFeatures, movie_ids: np.ndarray, ledger: Path, stages: Stages) -> None:
        self._features, self._ledger, self._stages = features, ledger, stages
        self._lock = threading.Lock()
        self._mark = renewed_since(ledger, Mark())[0]  # before the films are read: what comes meanwhile is read again
        self._counts = Counts.of(features.counts(movie_ids))

    def now(self) -> tuple[Counts, str | None]:
        """The counts, and why they are not those of now where the store does not tell."""
        try:
            mark, films = renewed_since(self._ledger, self._mark)
            if not films:
                return self._counts, None
            with self._lock:
                table = self._stages.run(
                    "features",
                    self._stages.budgets["features"],
                    lambda: self._features.counts(np.array(films, np.int64)),
                )
                self._counts, self._mark = self._counts.renewed(table), mark
        except (StageError, sqlite3.Error) as error:
            return self._counts, f"{error}; the ratings counted are those of before"
        return self._counts, None
