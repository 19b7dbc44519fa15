"""Watches, clicks and hides: landed for the next dbt build, and in the online features at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast import FeatureStore

from dbt_project.events.append import append
from dbt_project.events.schemas import FEEDBACK, FILMS, SCHEMAS
from dbt_project.workspace import workspace
from feature_repo.running import known_after

VIEW = "user_feedback"
NAMES = {"hide": "user_hidden", "watch": "user_watched", "click": "user_clicked"}
LISTS = {kind: (f"{name}_movie_ids", f"{name}_timestamps") for kind, name in NAMES.items()}
"""Films and seconds of a kind of feedback, oldest first."""
ARRAYS = [name for pair in LISTS.values() for name in pair]
LAST = "user_last_feedback_at"
KEPT = 1000
"""How many of each kind a row holds, the latest."""


@dataclass(frozen=True)
class Feedback:
    """Something that a user did with a film at a moment, with the id that its sender gave it."""

    event_id: str
    user_id: int
    movie_id: int
    kind: Literal["watch", "click", "hide"]
    occurred_at: datetime

    @property
    def second(self) -> int:
        """Seconds since 1970."""
        return int(self.occurred_at.timestamp() // 1)


@dataclass(frozen=True)
class FilmUpdate:
    """What is told of a film from now on, None or () for what is not; a retired one is never shown again.

    `genre_names` are all of its genres, by the names that features have (dbt_project/genres.py).
    """

    movie_id: int
    title: str | None = None
    release_year: int | None = None
    genre_names: tuple[str, ...] = ()
    original_language: str | None = None
    director_name: str | None = None
    certification: str | None = None
    is_retired: bool = False


def merged(known: FilmUpdate | None, update: FilmUpdate) -> FilmUpdate:
    """A film after one more change: what the change does not name stays, as in int_movies of the warehouse."""
    told = {name: value for name, value in vars(update).items() if value not in (None, ())}
    return FilmUpdate(**{**(vars(known) if known else {}), **told})


def land_feedback(events: Sequence[Feedback]) -> None:
    """Put the events on disk, whole or not at all, where the next dbt build reads them."""
    rows = [vars(event) | {"occurred_at": event.occurred_at.astimezone(UTC).replace(tzinfo=None)} for event in events]
    append(workspace().events / FEEDBACK, pa.Table.from_pylist(rows, SCHEMAS[FEEDBACK]))


def land_films(updates: Sequence[FilmUpdate]) -> None:
    """Put the films on disk, whole or not at all, where the next dbt build reads them."""
    append(workspace().events / FILMS, pa.Table.from_pylist([vars(update) for update in updates], SCHEMAS[FILMS]))


def renew_feedback(store: FeatureStore, events: Iterable[Feedback]) -> None:
    """Write the online rows of the users as they are after the events, in whatever order they come.

    The same event once more changes nothing.
    """
    by_user: dict[int, list[Feedback]] = {}
    for event in events:
        by_user.setdefault(event.user_id, []).append(event)
    if not by_user:
        return
    names = [*ARRAYS, LAST]
    online = store.get_online_features([f"{VIEW}:{name}" for name in names], {"user_id": list(by_user)}).to_dict()
    rows = []
    for place, (user_id, done) in enumerate(by_user.items()):
        last = max([event.second for event in done] + [online[LAST][place] or 0])
        row: dict[str, Any] = {"user_id": user_id, "event_timestamp": known_after(last), LAST: last}
        for kind, (films, seconds) in LISTS.items():
            listed = online[films][place] or []
            # a row that was materialized before there were seconds: the oldest
            known = zip(online[seconds][place] or [0] * len(listed), listed, strict=True)
            new = ((event.second, event.movie_id) for event in done if event.kind == kind)
            kept = sorted({*known, *new})[-KEPT:]
            # a batch has null for none, too
            row[films], row[seconds] = [film for _, film in kept] or None, [second for second, _ in kept] or None
        rows.append(row)
    store.write_to_online_store(VIEW, pd.DataFrame(rows))
