"""Pairs as the numbers and small integers that rankers take. What is learned here goes into the artifact.

0 stands for what training never saw or nobody knows: a film, a word, a genre, a person. An unknown number is NaN, and
each ranker says what it makes of it.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.columns import integers, padded, ragged, window
from models.encoders import logs_and_numbers
from models.ids import Ids
from models.rank.config import InputConfig
from models.rank.samples.pairs import Pairs
from models.recall.nn.context import request_times

GENRES, LEADS = 6, 5
"""How many of a film's genres and leads are read."""
FEWEST = 3
"""A person of fewer training films has no vector: nothing could be learned of them."""


class Batch(NamedTuple):
    """Encoded pairs (p) and the histories of their users (u)."""

    numbers: np.ndarray
    """(p, d) float32, NaN where unknown."""
    words: np.ndarray
    """(p, c) int64, a column a categorical feature."""
    genres: np.ndarray
    """(p, GENRES) int64."""
    people: np.ndarray
    """(p, 1 + LEADS) int64: the first director, then the leads."""
    candidate: np.ndarray
    """(p,) int64 film."""
    user: np.ndarray
    """(p,) int64 row of the histories."""
    films: np.ndarray
    """(u, w) int64 films watched, newest last, 0 for padding."""
    ratings: np.ndarray
    """(u, w) int64 half stars."""
    times: np.ndarray
    """(u, w) int64 seconds between then and the question."""

    def take(self, rows: np.ndarray) -> "Batch":
        """Some of the pairs, with the histories of their users alone."""
        kept, user = np.unique(self.user[rows], return_inverse=True)
        own = {"user": user.ravel(), **{name: getattr(self, name)[kept] for name in ("films", "ratings", "times")}}
        pairs = {name: values[rows] for name, values in self._asdict().items() if name not in own}
        return Batch(**pairs, **own)


class FilmFields(NamedTuple):
    """Films (f) as they are encoded whoever is asked about them."""

    numbers: np.ndarray
    """(f, d) float32, NaN where unknown."""
    words: np.ndarray
    """(f, c) int64."""
    genres: np.ndarray
    """(f, GENRES) int64."""
    people: np.ndarray
    """(f, 1 + LEADS) int64."""
    id: np.ndarray
    """(f,) int64."""


class Encoder:
    """Learns vocabularies from training pairs and encodes any."""

    def __init__(self, inputs: InputConfig, channels: list[str]) -> None:
        self.inputs = inputs
        self.channels = channels
        self.films = Ids(np.empty(0, np.int64))
        self.people = Ids(np.empty(0, np.int64))
        self.vocabulary: dict[str, list[str]] = {}
        self.genres = 0

    @property
    def names(self) -> list[str]:
        """The numbers, in their order."""
        i = self.inputs
        recall = ["recall", *(f"{name} {what}" for name in self.channels for what in ("rank", "score"))]
        return [*i.user_counts, *i.user_numbers, *i.film_counts, *i.film_numbers, *i.crossed, *recall]

    @property
    def words(self) -> list[int]:
        """How many values each categorical column has, 0 included."""
        sizes = [
            len(self.vocabulary[name]) + 1 for name in (*self.inputs.user_categories, *self.inputs.film_categories)
        ]
        return sizes + ([25, 8] if self.inputs.moment else [])

    def fit(self, pairs: Pairs) -> None:
        """Learn the films, people and words of training pairs."""
        self.films = Ids(np.unique(integers(pairs.films, "movie_id")))
        tables = dict.fromkeys(self.inputs.user_categories, pairs.users)
        tables |= dict.fromkeys(self.inputs.film_categories, pairs.films)
        self.vocabulary = {
            name: sorted(str(value) for value in table[name].unique().to_pylist() if value is not None)
            for name, table in tables.items()
        }
        _, once = np.unique(integers(pairs.films, "movie_id"), return_index=True)
        films = pairs.films.take(pa.array(once))
        self.genres = 1 + int(ragged(films, "movie_genres")[0].max(initial=-1))
        found, films_of = np.unique(people(films), return_counts=True)
        self.people = Ids(found[(films_of >= FEWEST) & (found != 0)])

    def of_films(self, films: pa.Table) -> FilmFields:
        """The films' half of pairs, a row a film."""
        i = self.inputs
        return FilmFields(
            logs_and_numbers(films, i.film_counts, i.film_numbers),
            self._words(films, i.film_categories),
            self._genres(films),
            np.maximum(self.people.rows(people(films)) + 1, 0) * i.people,
            self.films.rows(integers(films, "movie_id")) + 1,
        )

    def __call__(self, pairs: Pairs, films: FilmFields | None = None) -> Batch:
        """The pairs, encoded. `films` are those of the pairs' films, where they are kept."""
        users, user, film = pairs.users, pairs.user, pairs.film
        i = self.inputs
        of_film = films or self.of_films(pairs.films)
        of_user = logs_and_numbers(users, i.user_counts, i.user_numbers)
        crossed = [pairs.crossed[name][:, None] for name in i.crossed]
        words = [self._words(users, i.user_categories)[user], of_film.words.take(film, axis=0)]
        if i.moment:
            parts = np.stack([pairs.crossed["request_hour"], pairs.crossed["request_weekday"]], axis=1)
            words.append(np.where(np.isnan(parts), 0, parts + 1).astype(np.int64))
        seen = np.maximum(window(users, "user_seen_movie_ids", self.films, i.window) + 1, 0)
        values, offsets = ragged(users, "user_seen_ratings")
        given = padded(np.round(2 * values.astype(np.float64)), offsets, i.window, 0.0).astype(np.int64)
        moments, offsets = ragged(users, "user_seen_timestamps")
        ago = request_times(users)[:, None] - padded(moments.astype(np.int64), offsets, i.window, 0)
        return Batch(
            # `take`, as indexing with rows takes twice the time
            np.concatenate([of_user[user], of_film.numbers.take(film, axis=0), *crossed, pairs.recall], axis=1),
            np.concatenate(words, axis=1),
            of_film.genres.take(film, axis=0),
            of_film.people.take(film, axis=0),
            of_film.id[film],
            user,
            seen,
            np.where(seen > 0, given, 0),
            np.where(seen > 0, np.maximum(ago, 0), 0),
        )

    def _words(self, table: pa.Table, names: list[str]) -> np.ndarray:
        out = np.zeros((table.num_rows, len(names)), np.int64)
        for column, name in enumerate(names):
            place = {word: n for n, word in enumerate(self.vocabulary[name], 1)}
            out[:, column] = [place.get(str(value), 0) for value in table[name].to_pylist()]
        return out

    def _genres(self, films: pa.Table) -> np.ndarray:
        values, offsets = ragged(films, "movie_genres")
        genres = padded(values.astype(np.int64), offsets, GENRES, -1) + 1
        return np.where(genres <= self.genres, genres, 0)

    def facts(self) -> dict[str, Any]:
        """What was learned, as JSON."""
        return {
            "channels": self.channels,
            "vocabulary": self.vocabulary,
            "genres": self.genres,
            "people": self.people.values.tolist(),
        }

    def restore(self, facts: dict[str, Any], films: Ids) -> None:
        """Take it back."""
        self.vocabulary, self.genres, self.films = facts["vocabulary"], facts["genres"], films
        self.people = Ids(np.array(facts["people"], np.int64))


def people(films: pa.Table) -> np.ndarray:
    """The first director and the leads of each film (f, 1 + LEADS), 0 where there is none."""
    parts = []
    for name, width in (("movie_director_ids", 1), ("movie_cast_ids", LEADS)):
        values, offsets = ragged(films, name)
        ends = np.minimum(offsets[1:], offsets[:-1] + width)
        at = offsets[:-1, None] + np.arange(width)
        held = at < ends[:, None]
        parts.append(np.where(held, values[np.where(held, at, 0)] if len(values) else 0, 0).astype(np.int64))
    return np.concatenate(parts, axis=1)
