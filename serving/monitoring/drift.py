"""Drift: how far the features of what is served now are from those that the ranker was trained on."""

from collections import deque

import numpy as np
import pyarrow as pa

from models.columns import integers
from models.ids import Ids
from models.rank.samples.trained_on import comparable
from serving.statistics.bins import counted
from serving.statistics.psi import psi

USERS, FILMS = 1_000, 10_000
"""The latest answered users and ranked films that are compared; what is held is a few hundred kilobytes."""
FILMS_AN_ANSWER = 10
"""Ranked films of an answer that are kept, drawn at random, as the ranker's samples are."""
FEWEST = 200
"""Users from which on a PSI tells something: two samples of one distribution of ten bins are then 0.05 apart."""


class Drift:
    """A sliding sample of what is served beside a sample of what was trained on. For one thread."""

    def __init__(self, trained_on: pa.Table, known: set[str], films: pa.Table) -> None:
        """`trained_on` has a column a feature; compared are those of users (`known`) and of `films`."""
        self._trained_on = {name: comparable(trained_on[name]) for name in trained_on.column_names}
        self._catalogue = films
        self._rows = Ids(integers(films, "movie_id"))
        self.user_features = [name for name in trained_on.column_names if name in known]
        self._film_features = [name for name in trained_on.column_names if name in films.column_names]
        self._users: deque[list[object]] = deque(maxlen=USERS)
        self._films: deque[int] = deque(maxlen=FILMS)
        self._rng = np.random.default_rng(0)

    def add(self, user: pa.Table, ranked: np.ndarray) -> None:
        """Take an answer: the user's features (one row), the ids of the films that were ranked."""
        self._users.append([user[name][0].as_py() for name in self.user_features])
        ranked = ranked[ranked >= 0]
        self._films.extend(self._rng.choice(ranked, min(FILMS_AN_ANSWER, len(ranked)), replace=False).tolist())

    def psi(self) -> dict[str, float]:
        """The population stability index of each feature, those aside that training had nothing of.

        None at all before enough was served.
        """
        if len(self._users) < FEWEST:
            return {}
        rows = self._rows.rows(np.array(self._films, np.int64))
        films = self._catalogue.select(self._film_features).take(pa.array(rows[rows >= 0]))
        users = zip(self.user_features, zip(*self._users, strict=True), strict=True)
        served = {name: pa.array(values, self._trained_on[name].type) for name, values in users}
        served |= {name: comparable(films[name]) for name in self._film_features}
        pairs = {name: counted(self._trained_on[name], now) for name, now in served.items()}
        return {name: psi(*pair[0]) for name, pair in pairs.items() if pair}
