"""What a film rated is told apart from: the recall pool's hard ones, popular ones, its genre's, any, own low ones."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.columns import integers, multi_hot, ragged
from models.ids import Ids
from models.rank.config import SampleSettings

KINDS = ("positive", "pool", "popular", "genre", "uniform", "low")
POWER = 0.75
"""Popular films are drawn by their ratings to this power. Mikolov et al., word2vec (NeurIPS 2013)."""


@dataclass(frozen=True)
class PositiveEvent:
    """What negatives of one event are drawn from, as film ids."""

    film: int
    """The film rated."""
    pool: np.ndarray
    """What recall brings at that moment."""
    seen: np.ndarray
    """What the user had rated: never a negative, but for `low`."""
    low: np.ndarray
    """Of these what was rated low."""


class Drawer:
    """Draws the negatives of one event after another, from films known at the end of training."""

    def __init__(self, films: pa.Table, counts: np.ndarray, settings: SampleSettings) -> None:
        """`films` has movie_id and movie_genres, `counts` (f,) the training ratings of each."""
        self.settings = settings
        self.ids = integers(films, "movie_id")
        self._rows = Ids(self.ids)
        weight = counts.astype(float) ** POWER
        self._popular = np.cumsum(weight / weight.sum()) if weight.sum() else np.linspace(0, 1, len(weight) + 1)[1:]
        self._genres = multi_hot(films, "movie_genres", int(ragged(films, "movie_genres")[0].max(initial=0)) + 1) > 0
        self._members = [np.flatnonzero(column) for column in self._genres.T]

    def draw(self, event: PositiveEvent, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The film rated and its negatives (1 + n,), and which of KINDS each is; none twice.

        Where a kind runs out the pool stands in; -1 where that is empty, too.
        """
        chosen, kinds = [event.film], [0]
        taken = {event.film, *event.seen.tolist()}
        wanted = [getattr(self.settings, kind) for kind in KINDS[1:]]
        for kind, count in sorted(enumerate(wanted, 1), key=lambda item: item[0] == 1):  # the pool last
            need = count if kind > 1 else self.settings.negatives + 1 - len(chosen)
            for film in self._some(KINDS[kind], event, need, rng):
                if need and film not in (taken - set(event.low.tolist()) if KINDS[kind] == "low" else taken):
                    taken.add(film)
                    chosen.append(film)
                    kinds.append(kind)
                    need -= 1
        missing = self.settings.negatives + 1 - len(chosen)
        return np.array(chosen + [-1] * missing), np.array(kinds + [1] * missing)

    def _some(self, kind: str, event: PositiveEvent, count: int, rng: np.random.Generator) -> list[int]:
        """A few more films of a kind than are wanted, in random order."""
        if not count:
            return []
        if kind == "pool":
            return rng.permutation(event.pool).tolist()
        if kind == "low":
            return rng.permutation(event.low).tolist()
        many = 10 * count
        if kind == "popular":
            return self.ids[
                np.searchsorted(self._popular, rng.random(many), side="right").clip(max=len(self.ids) - 1)
            ].tolist()
        rows = np.arange(len(self.ids))
        if kind == "genre":
            row = int(self._rows.rows(np.array([event.film]))[0])
            genres = np.flatnonzero(self._genres[row]) if row >= 0 else np.empty(0, int)
            rows = self._members[rng.choice(genres)] if len(genres) else rows[:0]
        return self.ids[rng.choice(rows, many)].tolist() if len(rows) else []
