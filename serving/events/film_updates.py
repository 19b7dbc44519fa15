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
import pyarrow.compute as pc
from feast import FeatureStore

from dbt_project.events.read import read_all, stamp
from dbt_project.events.schemas import FILMS, GIVEN, SCHEMAS
from dbt_project.genres import known_genres
from dbt_project.workspace import Workspace
from feature_repo.feedback_events import FilmUpdate, merged
from feature_repo.running import unrated
from serving.features.reader import ONLINE_ERRORS, unavailable

PROFILE, STATE = "movie_profile", "movie_state"
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
                self._latest = MappingProxyType(latest_changes(self._landed()))
                self._stamp = now
        return self._latest

    def _landed(self) -> list[dict[str, Any]]:
        changes = read_all(self._folder, SCHEMAS[FILMS])
        changes = changes.filter(pc.is_null(changes[GIVEN]))  # what builds reject of segments of other hands
        return changes.filter(pc.is_valid(changes["movie_id"])).select(SCHEMAS[FILMS].names).to_pylist()


def latest_changes(rows: Iterable[Mapping[str, Any]]) -> dict[int, FilmUpdate]:
    """Each film after all of its landed changes, which are in the order in which they came in."""
    found: dict[int, FilmUpdate] = {}
    for row in rows:
        names = tuple(genre.name for genre in known_genres(row["genre_names"] or ()))
        update = FilmUpdate(**{**row, "genre_names": names})
        found[update.movie_id] = merged(found.get(update.movie_id), update)
    return found


def write_profile(store: FeatureStore, update: FilmUpdate) -> None:
    """Put what a change tells of a film into its online profile, beside what is there; OnlineStoreError if it cannot.

    The row keeps its time: the next `feast materialize` replaces it. A film that is new has no ratings, which is known.
    """
    fields = [field.name for field in store.get_feature_view(PROFILE).features]
    try:
        response = store.get_online_features([f"{PROFILE}:{name}" for name in fields], {"movie_id": [update.movie_id]})
        row: dict[str, Any] = {name: values[0] for name, values in response.to_dict().items()}
        stored = response.proto.results[1].event_timestamps[0].ToDatetime(tzinfo=UTC)
        if row["movie_title"] is None:  # before there is a profile, so that no rating comes before it
            state = {"movie_id": update.movie_id, "event_timestamp": UNDATED, **unrated()}
            store.write_to_online_store(STATE, pd.DataFrame([state]).astype(object))
        genres = known_genres(update.genre_names)
        given = {
            "movie_title": update.title,
            "movie_year": update.release_year,
            "movie_language": update.original_language,
            "movie_director_name": update.director_name,
            "movie_genres": [genre.index for genre in genres] or None,
            "movie_genre_names": [genre.name for genre in genres] or None,
        }
        row |= {name: value for name, value in given.items() if value is not None}
        row["event_timestamp"] = max(stored, UNDATED) if row["movie_index"] is not None else UNDATED
        store.write_to_online_store(PROFILE, pd.DataFrame([row]).astype(object))
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error
