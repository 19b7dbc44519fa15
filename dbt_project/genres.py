"""The genres of this product, as seeds/genres.csv and seeds/genre_aliases.csv name them: the one place that knows."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SEEDS = Path(__file__).resolve().parent / "seeds"


@dataclass(frozen=True, order=True)
class Genre:
    """A genre by its contiguous index and its one name."""

    index: int
    name: str


def known_genres(names: Iterable[str]) -> list[Genre]:
    """The genres that are meant, each once and ascending: TMDb's names and any case will do, as in the warehouse.

    What is no genre's name, or says nothing of a film (`(no genres listed)`), is left out: unknown_genres tells it.
    """
    found = (_by_name().get(_folded(name)) for name in names)
    return sorted({genre for genre in found if genre is not None})


def unknown_genres(names: Iterable[str]) -> list[str]:
    """The names that no seed has, as they are written."""
    return [name for name in names if _folded(name) and _folded(name) not in _by_name()]


def told(names: Iterable[str]) -> list[str]:
    """The names of the genres that are meant, as known_genres; ValueError naming those that are not known."""
    names = list(names)
    if unknown := unknown_genres(names):
        raise ValueError(f"no genre is called {', '.join(map(repr, unknown))}; known: {', '.join(genre_names())}")
    return [genre.name for genre in known_genres(names)]


def genre_names() -> list[str]:
    """The names of all genres, by index."""
    return [row["genre_name"] for row in _read("genres.csv")]


def _folded(name: str) -> str:
    return name.strip().lower()


@cache
def _by_name() -> dict[str, Genre | None]:
    genres = {row["genre_name"]: Genre(int(row["genre_index"]), row["genre_name"]) for row in _read("genres.csv")}
    aliases = {row["source_name"]: genres.get(row["genre_name"]) for row in _read("genre_aliases.csv")}
    return {_folded(name): genre for name, genre in {**genres, **aliases}.items()}


def _read(seed: str) -> list[dict[str, str]]:
    with (SEEDS / seed).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
