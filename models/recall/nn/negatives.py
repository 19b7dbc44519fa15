"""Films drawn to be told apart from the one that was chosen: uniform ones, and hard ones of four kinds.

All speak of training ratings alone, as rows of the film table, whose row 0 is no film.
"""

from typing import NamedTuple

import numpy as np


class Kinds(NamedTuple):
    """How many negatives of each kind a positive gets."""

    low_rated: int
    """Films that the same user rated low, at any time."""
    popular: int
    """Films among the most rated that the user never rated."""
    same_genre: int
    """Films that share a genre with the positive and are rated less often."""
    stale: int
    """Films that the user rated before the films of the window: long ago, but not lately."""


class Ratings(NamedTuple):
    """Training ratings, a row each."""

    user: np.ndarray
    """(n,) whose."""
    film: np.ndarray
    """(n,) rows of the film table, 0 for none."""
    rating: np.ndarray
    """(n,) in stars."""
    order: np.ndarray
    """(n,) of the moments."""


class Negatives:
    """The samplers over training ratings. What cannot be drawn is row 0."""

    def __init__(
        self, ratings: Ratings, genres: np.ndarray, kinds: Kinds, low: float, popular: int, window: int
    ) -> None:
        self.kinds, self.window = kinds, window
        films = len(genres)
        self.film = ratings.film
        self.count = np.bincount(ratings.film, minlength=films)
        self.count[0] = 0
        self.trained = np.flatnonzero(self.count)
        user = np.unique(ratings.user, return_inverse=True)[1]
        self.user = user
        users = int(user.max(initial=-1)) + 1
        by_time = np.lexsort((ratings.order, user))
        self._of_user = Groups(user, by_time, users)
        self._low = Groups(user, by_time[ratings.rating[by_time] <= low], users)
        self._place = np.empty(len(user), np.int64)
        self._place[by_time] = np.arange(len(user)) - self._of_user.start[user[by_time]]
        self._ranked = np.argsort(-self.count, kind="stable")[: min(popular, len(self.trained))]
        self._touched = np.unique(user * films + ratings.film)
        self._genres = GenreLists(genres, self.count) if kinds.same_genre else None

    def uniform(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Films (count,) that have training ratings, each equally likely."""
        return rng.choice(self.trained, count) if len(self.trained) else np.zeros(count, np.int64)

    def hard(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Negatives (b, h) of the ratings `rows` (b,), kind after kind."""
        kinds = self.kinds
        return np.concatenate([
            self.low_rated(rows, kinds.low_rated, rng), self.popular(rows, kinds.popular, rng),
            self.same_genre(rows, kinds.same_genre, rng), self.stale(rows, kinds.stale, rng),
        ], axis=1)  # fmt: skip

    def low_rated(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(b, count) films that the rating's user rated low."""
        at = self._low.draw(self.user[rows], count, rng)
        return np.where(at >= 0, self.film[at], 0)

    def popular(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(b, count) of the most rated films; none where the user has rated the film drawn."""
        if not len(self._ranked):
            return np.zeros((len(rows), count), np.int64)
        films = self._ranked[rng.integers(len(self._ranked), size=(len(rows), count))]
        pairs = self.user[rows][:, None] * len(self.count) + films
        at = np.minimum(np.searchsorted(self._touched, pairs), len(self._touched) - 1)
        return np.where(self._touched[at] == pairs, 0, films)

    def same_genre(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(b, count) less rated films of one of the positive's genres, drawn anew each time."""
        if self._genres is None:
            return np.zeros((len(rows), count), np.int64)
        return self._genres.draw(self.film[rows], count, rng)

    def stale(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(b, count) films that the user rated more than `window` ratings before."""
        old = np.maximum(self._place[rows] - self.window, 0)  # the user's first so many ratings
        offset = (rng.random((len(rows), count)) * old[:, None]).astype(np.int64)
        start = self._of_user.start[self.user[rows]]
        at = self._of_user.rows[np.minimum(start[:, None] + offset, len(self._of_user.rows) - 1)]
        return np.where(old[:, None] > 0, self.film[at], 0)


class Groups:
    """Rows sorted by group: where each group starts, and draws from it."""

    def __init__(self, group: np.ndarray, rows: np.ndarray, groups: int) -> None:
        self.rows = rows
        self.size = np.bincount(group[rows], minlength=groups)
        self.start = np.cumsum(self.size) - self.size

    def draw(self, groups: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, count) of each group (n,), with replacement; -1 from an empty one."""
        size, start = self.size[groups][:, None], self.start[groups][:, None]
        at = start + (rng.random((len(groups), count)) * size).astype(np.int64)
        if not len(self.rows):
            return np.full(at.shape, -1)
        return np.where(size > 0, self.rows[np.minimum(at, len(self.rows) - 1)], -1)


class GenreLists:
    """Each genre's rated films, most rated first; from a film's place on they are rated as often or less."""

    def __init__(self, genres: np.ndarray, count: np.ndarray) -> None:
        self.genres = genres > 0  # (m, g)
        self.lists, self.below = [], np.zeros(genres.shape, np.int64)
        for genre in range(genres.shape[1]):
            films = np.flatnonzero(self.genres[:, genre] & (count > 0))
            films = films[np.argsort(-count[films], kind="stable")]
            self.lists.append(films)
            self.below[:, genre] = np.searchsorted(-count[films], -count, side="right")  # first that has fewer

    def draw(self, films: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """(n, count) less rated films of a genre of each film (n,), drawn anew each time; 0 where there is none."""
        found = np.zeros((len(films), count), np.int64)
        weight = self.genres[films].astype(np.float64)
        for nth in range(count):
            genre = np.argmax(weight * rng.random(weight.shape), axis=1)
            for kind in np.unique(genre):
                wanted = np.flatnonzero((genre == kind) & self.genres[films, kind])
                ordered = self.lists[kind]
                below = self.below[films[wanted], kind]
                at = below + (rng.random(len(wanted)) * (len(ordered) - below)).astype(np.int64)
                held = below < len(ordered)
                found[wanted[held], nth] = ordered[at[held]]
        return found
