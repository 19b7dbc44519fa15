"""Films that were added, changed or retired since the last build: landed files that every worker reads.

The folder is the message: a worker that looks at it before each answer knows of a change as soon as it is on
disk, whether or not Redis is there, and after a restart.
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pandas as pd
from feast import FeatureStore

from dbt_project.events.read import read_all, stamp
from dbt_project.events.schemas import FILMS, SCHEMAS
from dbt_project.workspace import Workspace
from feature_repo.feedback_events import FilmUpdate
from serving.features.reader import ONLINE_ERRORS, unavailable

PROFILE = "movie_profile"
UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
"""No film is known earlier, so that what a build knows of a new film replaces what is written here."""


class FilmUpdates:
    """The latest landed change of each film. Thread-safe."""

    def __init__(self, space: Workspace) -> None:
        self._folder = space.events / FILMS
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._latest: Mapping[int, FilmUpdate] = MappingProxyType({})

    def latest(self) -> Mapping[int, FilmUpdate]:
        """Film to its latest change; the same object as long as nothing came in."""
        if (now := stamp(self._folder)) != self._stamp:
            with self._lock:
                self._latest = MappingProxyType(merged(read_all(self._folder, SCHEMAS[FILMS]).to_pylist()))
                self._stamp = now
        return self._latest


def merged(rows: Iterable[Mapping[str, Any]]) -> dict[int, FilmUpdate]:
    """The latest of landed changes, which are in the order in which they came in; a retired film keeps its title."""
    found: dict[int, FilmUpdate] = {}
    for row in rows:
        update = FilmUpdate(**{**row, "genre_names": tuple(row["genre_names"] or ())})
        if update.is_retired and (known := found.get(update.movie_id)):
            update = FilmUpdate(**{**vars(known), "is_retired": True})
        found[update.movie_id] = update
    return found


def write_profile(store: FeatureStore, update: FilmUpdate, genre_index: Mapping[str, int]) -> None:
    """Put what a change tells of a film into its online profile, beside what is there; OnlineStoreError if it cannot.

    The row keeps its time: the next `feast materialize` replaces it.
    """
    fields = [field.name for field in store.get_feature_view(PROFILE).features]
    try:
        response = store.get_online_features([f"{PROFILE}:{name}" for name in fields], {"movie_id": [update.movie_id]})
        row: dict[str, Any] = {name: values[0] for name, values in response.to_dict().items()}
        stored = response.proto.results[1].event_timestamps[0].ToDatetime(tzinfo=UTC)
        genres = sorted((genre_index[name], name) for name in update.genre_names if name in genre_index)
        given = {
            "movie_title": update.title,
            "movie_year": update.release_year,
            "movie_language": update.original_language,
            "movie_director_name": update.director_name,
            "movie_genres": [index for index, _ in genres] or None,
            "movie_genre_names": [name for _, name in genres] or None,
        }
        row |= {name: value for name, value in given.items() if value is not None}
        row["event_timestamp"] = max(stored, UNDATED) if row["movie_index"] is not None else UNDATED
        store.write_to_online_store(PROFILE, pd.DataFrame([row]).astype(object))
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error
