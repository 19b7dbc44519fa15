"""Feature tables to what the towers take, and what has to be learned for it: means, vocabularies, known ids."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.columns import has, integers, multi_hot, ragged, shares, window
from models.encoders import Categories, Statistics
from models.ids import Ids
from models.recall.nn.context import context
from models.recall.two_tower.config import TwoTowerConfig
from models.recall.two_tower.towers import FilmInputs, Sizes, UserInputs

GENRES = "movie_genres"
HELD = 50
"""How many films the feature of a user's latest films holds."""
PEOPLE = 5
"""How many people of a list are read."""


class FilmTable(NamedTuple):
    """The films as they stand at the end of training, by row of the film table; row 0 is no film.

    All at one moment, as the index is searched: of a positive's own moment, the statistics would tell it from films
    that are shown at others, and that is no taste.
    """

    genres: Tensor
    people: Tensor
    text: Tensor
    statistics: Tensor

    def films(self, rows: Tensor) -> FilmInputs:
        """The films of rows (n,)."""
        return FilmInputs(rows, *(part[rows] for part in self))


class Features:
    """The encoders of both towers' features, fitted on training ratings and the catalogue of their end."""

    def __init__(self, config: TwoTowerConfig) -> None:
        self.config = config
        self.users = Ids(np.empty(0, np.int64))
        self.people = Ids(np.empty(0, np.int64))
        self.user_statistics = Statistics(config.user_counts, config.user_numbers)
        self.film_statistics = Statistics(config.film_counts, config.film_numbers)
        self.user_categories = Categories(config.user_categories)
        self.genres = 0
        self.text = 0

    def fit(self, users: pa.Table, catalogue: pa.Table) -> None:
        """Learn from the users' half of training ratings, and all films."""
        self.users = Ids(np.unique(integers(users, "user_id")))
        self.user_statistics.fit(users)
        self.film_statistics.fit(catalogue)
        self.user_categories.fit(users)
        self.genres = 1 + int(ragged(catalogue, GENRES)[0].max(initial=-1))
        self.text = sum(width(catalogue, name) for name in self.config.film_text)
        credits = [np.empty(0, np.int64)]
        for name in self.config.film_people:
            values, offsets = ragged(catalogue, name)
            film = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
            credits.append(np.unique(np.stack([values.astype(np.int64), film]), axis=1)[0])
        people, films = np.unique(np.concatenate(credits), return_counts=True)
        self.people = Ids(people[films > 1])

    def sizes(self, films: int) -> Sizes:
        """The towers' widths, with as many films."""
        c = self.config
        return Sizes(
            users=len(self.users) if c.user_id else 0, user_genres=self.genres * len(c.user_genres),
            user_statistics=self.user_statistics.width + self.user_categories.width, context=c.user_context,
            films=films, film_genres=self.genres * c.film_genres, kinds=len(c.film_people),
            people=len(self.people), text=self.text, film_statistics=self.film_statistics.width,
        )  # fmt: skip

    def of_users(self, table: pa.Table, films: Ids, trained: np.ndarray) -> UserInputs:
        """Rows of user features; an unknown user is id 0, and an untrained film leaves the window to the others."""
        c = self.config
        recent = window(table, "user_recent_movie_ids", films, HELD)
        recent = np.where((recent >= 0) & trained[np.maximum(recent, 0)], recent + 1, 0).astype(np.int32)
        recent = np.take_along_axis(recent, np.argsort(recent > 0, axis=1, kind="stable"), axis=1)[:, -c.window :]
        ids = np.zeros(table.num_rows, np.int64)
        if has(table, "user_id"):
            ids = self.users.rows(integers(table, "user_id")) + 1
        genres = [shares(table, name, self.genres) for name in c.user_genres]
        statistics = [self.user_statistics(table), self.user_categories(table)]
        return UserInputs(
            torch.from_numpy(ids), torch.from_numpy(recent), joined(genres, table.num_rows),
            joined(statistics, table.num_rows), torch.from_numpy(np.stack(context(table), axis=1)),
        )  # fmt: skip

    def facts(self, catalogue: pa.Table) -> FilmTable:
        """The catalogue's films by row of the film table."""
        c, n = self.config, catalogue.num_rows
        genres = joined([self.film_genres(catalogue)] * c.film_genres, n)
        people = np.zeros((n, len(c.film_people), PEOPLE), np.int32)
        for kind, name in enumerate(c.film_people):
            people[:, kind] = window(catalogue, name, self.people, PEOPLE) + 1
        text = [shares(catalogue, name, width(catalogue, name)) for name in c.film_text]
        statistics = torch.from_numpy(self.film_statistics(catalogue))
        parts = (genres, torch.from_numpy(people), joined(text, n), statistics)
        return FilmTable(*(torch.cat([torch.zeros_like(part[:1]), part]) for part in parts))

    def film_genres(self, table: pa.Table) -> np.ndarray:
        """Genres one-hot (n, g)."""
        return multi_hot(table, GENRES, self.genres)

    def tensors(self) -> dict[str, np.ndarray]:
        """What was learned, for the artifact."""
        known = {"users": self.users.values, "people": self.people.values}
        return known | self.user_statistics.tensors("user") | self.film_statistics.tensors("film")

    def described(self) -> dict[str, Any]:
        """The small learned facts."""
        return {"genres": self.genres, "text": self.text, "vocabulary": self.user_categories.vocabulary}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Take both back."""
        self.users, self.people = Ids(tensors["users"]), Ids(tensors["people"])
        self.genres, self.text = facts["genres"], facts["text"]
        self.user_categories = Categories(self.config.user_categories, facts["vocabulary"])
        self.user_statistics.restore("user", tensors)
        self.film_statistics.restore("film", tensors)


def width(table: pa.Table, name: str) -> int:
    """The longest list of a column."""
    return int(np.diff(ragged(table, name)[1]).max(initial=0))


def joined(blocks: list[np.ndarray], rows: int) -> Tensor:
    """Blocks of numbers (n, w) side by side; (n, 0) where there is none."""
    return torch.from_numpy(np.concatenate([np.empty((rows, 0), np.float32), *blocks], axis=1))
