"""What serving knows of all films, in memory: the catalogue as it was read online, and the changes since."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from feature_repo.feedback_events import FilmUpdate
from models.ids import Ids
from serving.rules.models import ItemFilter

Film = dict[str, Any]
PLACEHOLDERS = ("unknown", "unkonwn")
"""Titles that stand where MovieLens has none, if no year is known either: films that were called so have one."""
RAW_ID = re.compile(r"[mg]\.[0-9a-z_]+")
"""Freebase's id of somebody, where no name is known: it tells nobody anything."""
REMEMBERED = 256
"""Answers to `fitting` that are kept."""


class FilmCatalogue:
    """All films at one moment, row by row. Immutable but for what it remembers."""

    def __init__(self, catalogue: pa.Table, updates: Mapping[int, FilmUpdate], space: tuple[Ids, np.ndarray]) -> None:
        """`space` has vectors (m, d) of the films that some model places in one space, and whose they are."""
        self._space = space
        vectors = [name for name in catalogue.column_names if name.endswith("_embedding")]
        films = catalogue.drop_columns(vectors).to_pylist()  # a vector as a list of Python's floats is large
        self._film: dict[int, Film] = {film["movie_id"]: film for film in films}
        self._take(updates)

    def changed(self, updates: Mapping[int, FilmUpdate]) -> "FilmCatalogue":
        """These films after later changes."""
        new = object.__new__(FilmCatalogue)
        new.__dict__ |= self.__dict__ | {"_film": dict(self._film)}
        new._take(updates)
        return new

    def _take(self, updates: Mapping[int, FilmUpdate]) -> None:
        self.updates = updates
        for movie_id, update in updates.items():
            given: Film = {
                "movie_title": update.title,
                "movie_year": update.release_year,
                "movie_genre_names": list(update.genre_names),
                "movie_language": update.original_language,
                "movie_director_name": update.director_name,
                "movie_certification": update.certification,
            }
            known = self._film.get(movie_id, {"movie_id": movie_id})
            self._film[movie_id] = known | {name: value for name, value in given.items() if value}
        self.ids = Ids(np.array(list(self._film), np.int64))
        retired = [movie_id for movie_id, update in updates.items() if update.is_retired]
        nameless = [movie_id for movie_id, film in self._film.items() if is_placeholder(film)]
        self.withheld = np.array([*retired, *nameless], np.int64)
        """Films that no list shows: those that are retired, and what stands for no film."""
        self.genres = sorted({name for film in self._film.values() for name in film.get("movie_genre_names") or []})
        self.codes = {
            "genre": coded([next(iter(film.get("movie_genre_names") or []), None) for film in self._film.values()]),
            "director": coded([film.get("movie_director_name") for film in self._film.values()]),
            "collection": coded([film.get("movie_collection_id") for film in self._film.values()]),
        }
        """Of each row what caps count, -1 for nothing."""
        self.vectors = placed(self.ids, *self._space)
        """(m, d) of length 1; zeros for a film without a place."""
        self._fitting: dict[ItemFilter, np.ndarray] = {}

    def get(self, movie_id: int) -> Film:
        """The film's features by name; none for a film that is not known."""
        return self._film.get(movie_id, {})

    def is_retired(self, movie_id: int) -> bool:
        """Whether it is never to be shown again."""
        update = self.updates.get(movie_id)
        return update is not None and update.is_retired

    def unknown_genres(self, names: Iterable[str]) -> list[str]:
        """Those of the names that no film has."""
        return [name for name in names if name not in self.genres]

    def __contains__(self, movie_id: int) -> bool:
        return movie_id in self._film

    def fitting(self, item_filter: ItemFilter) -> np.ndarray:
        """Whether each row (m,) fits everything that is given."""
        found = self._fitting.get(item_filter)
        if found is None:
            if len(self._fitting) >= REMEMBERED:
                self._fitting = {}
            found = np.array([fits(film, item_filter) for film in self._film.values()], bool)
            self._fitting[item_filter] = found
        return found

    def likeness(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The highest cosine of each of `rows` (n,) to any of `others`, 0 to 1; 0 where there is none."""
        if not len(others):
            return np.zeros(len(rows), np.float32)
        near: np.ndarray = (self.vectors[rows] @ self.vectors[others].T).max(axis=1)
        return np.clip(near, 0.0, 1.0)


def fits(film: Film, item_filter: ItemFilter) -> bool:
    """Whether a film fits everything that is given; what is not known of it fits nothing."""
    year = film.get("movie_year")
    return (
        (not item_filter.movie_ids or film["movie_id"] in item_filter.movie_ids)
        and (not item_filter.genres or not item_filter.genres.isdisjoint(film.get("movie_genre_names") or []))
        and (not item_filter.directors or film.get("movie_director_name") in item_filter.directors)
        and (not item_filter.languages or film.get("movie_language") in item_filter.languages)
        and (not item_filter.certifications or film.get("movie_certification") in item_filter.certifications)
        and (item_filter.year_from is None or (year is not None and year >= item_filter.year_from))
        and (item_filter.year_to is None or (year is not None and year <= item_filter.year_to))
    )


def is_placeholder(film: Film) -> bool:
    """Whether a row of the data stands for no film that anybody could find."""
    return film.get("movie_year") is None and (film.get("movie_title") or "").casefold() in PLACEHOLDERS


def title_of(film: Film) -> str | None:
    """The title to show; None for what has none."""
    return None if is_placeholder(film) else film.get("movie_title")


def real_names(given: Iterable[str | None]) -> list[str]:
    """Those that are names, and no ids."""
    return [name for name in given if name and not RAW_ID.fullmatch(name)]


def coded(values: list[Any]) -> np.ndarray:
    """Equal values as equal numbers, None as -1."""
    numbers: dict[Any, int] = {}
    return np.array([-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def placed(ids: Ids, known: Ids, vectors: np.ndarray) -> np.ndarray:
    """The vectors of the rows of `ids`, of length 1, zeros for those that are not known."""
    rows = known.rows(ids.values)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros(vectors.shape, np.float32), where=length > 0)
    found: np.ndarray = np.where(rows[:, None] >= 0, unit[np.maximum(rows, 0)], 0.0).astype(np.float32)
    return found
