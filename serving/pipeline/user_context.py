"""Whom a list is for: a user's features as they are online, as they were, or as a visitor's ratings make them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa

from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import workspace
from feature_repo.running import UserHistory
from models.columns import ragged
from serving.features.reader import OnlineFeatures, content_hash
from serving.telemetry.deadlines import StageError, Stages

NOBODY = -1
"""In place of the id of somebody who has none."""
REMEMBERED = 10_000
"""Users whose last features are kept for when the store does not answer."""


@dataclass(frozen=True)
class UserContext:
    """Somebody to recommend to."""

    user_id: int | None
    row: pa.Table
    """One row of user features."""
    degraded: list[str] = field(default_factory=list)
    """What is not as it should be."""
    read_at: datetime | None = None
    """When reading the features began; None where nothing was read."""
    _films: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    def films(self, name: str) -> np.ndarray:
        """A list of whole numbers among the features, such as movie ids, empty for null."""
        found = self._films.get(name)
        if found is None:
            found = self._films[name] = ragged(self.row, name)[0].astype(np.int64)
        return found

    @property
    def is_known(self) -> bool:
        """Whether models can say anything of them."""
        return len(self.films("user_seen_movie_ids")) > 0

    @cached_property
    def excluded_ids(self) -> np.ndarray:
        """Films that no list shows them: rated, watched or hidden."""
        names = ("user_seen_movie_ids", "user_watched_movie_ids", "user_hidden_movie_ids")
        return np.concatenate([self.films(name) for name in names])

    @property
    def version(self) -> str:
        """Equal features have equal versions."""
        return content_hash(self.row.drop_columns(["user_id"]))

    @property
    def last_event(self) -> int | None:
        """Seconds since 1970 of the last thing that the features know of."""
        done = self.row["user_last_feedback_at"][0].as_py()
        known = [*self.films("user_seen_timestamps")[-1:].tolist(), *([] if done is None else [done])]
        return max(known, default=None)

    def at(self, asked_at: datetime | None) -> "UserContext":
        """The same person, asking at another moment than now."""
        if asked_at is None:
            return self
        asked = pa.array([asked_at.astimezone(UTC)], pa.timestamp("us", "UTC"))
        return UserContext(self.user_id, self.row.append_column("event_timestamp", asked), self.degraded, self.read_at)


class UserContexts:
    """Reads features of single users. Thread-safe."""

    def __init__(self, features: OnlineFeatures, stages: Stages) -> None:
        self._features, self._stages = features, stages
        self._lock = threading.Lock()
        self._last: OrderedDict[int, tuple[float, pa.Buffer]] = OrderedDict()

    def user(self, user_id: int) -> UserContext:
        """A user by id; without an answer in time, as they were read last, or as nobody knows them."""
        seconds, read_at = self._stages.budgets["features"], datetime.now(UTC)
        try:
            row = self._stages.run("features", seconds, lambda: self._features.users([user_id]))
        except StageError as error:
            return self._remembered(user_id, str(error))
        (kept,) = row.to_batches()
        with self._lock:
            self._last[user_id] = (time.monotonic(), kept.serialize())  # a fifth of what the table takes
            self._last.move_to_end(user_id)
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        return UserContext(user_id, row, read_at=read_at)

    def _remembered(self, user_id: int, why: str) -> UserContext:
        with self._lock:
            if user_id in erased_users(workspace().events):
                self._last.pop(user_id, None)
            found = self._last.get(user_id)
        if found:
            age = time.monotonic() - found[0]
            kept = pa.ipc.read_record_batch(found[1], self._row(NOBODY, {}).schema)
            notice = f"{why}; the user's features are those of {age:.0f} s ago"
            read_at = datetime.now(UTC) - timedelta(seconds=age)
            return UserContext(user_id, pa.Table.from_batches([kept]), [notice], read_at)
        return UserContext(user_id, self._row(user_id, {}), [f"{why}; nothing is known of the user"])

    def nobody(self) -> UserContext:
        """Somebody of whom nothing is known."""
        return UserContext(None, self._row(NOBODY, {}))

    def visitor(self, history: UserHistory, genres: dict[int, list[int]]) -> UserContext:
        """Somebody without an account who rated some films: the same formulas as for users."""
        views = history.rows(0, genres)
        features = {name: value for view in views.values() for name, value in view.items()}
        return UserContext(None, self._row(NOBODY, features))

    def _row(self, user_id: int, features: dict[str, object]) -> pa.Table:
        columns: Sequence[pa.Field] = list(self._features.user_fields.values())
        arrays = [pa.array([features.get(column.name)], column.type) for column in columns]
        return pa.table(
            [pa.array([user_id], pa.int64()), *arrays], names=["user_id", *(column.name for column in columns)]
        )
