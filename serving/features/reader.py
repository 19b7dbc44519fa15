"""Features at inference, through Feast only: a user's per request, all films' once, in memory.

A film's features change only when `feast materialize` runs, and reading 500 films for one answer takes
tens of milliseconds; so films are read in bulk when the server starts and stamped with a version.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import redis.exceptions

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from models.columns import integers
from serving.config import REDIS, addresses, text_of
from serving.errors import OnlineStoreError

if TYPE_CHECKING:
    from feast import FeatureStore

    from feature_repo.online_store.columns import ColumnReader

CATALOGUE = "catalogue_v1"
SEEN = "seen_v1"
RULES = "rules_v1"
COUNTS = ("movie_state:movie_count_ratings", "movie_recent:movie_recent_timestamps")
"""What charts are made of: no model reads it."""
FILMS = "select movie_id, timestamp '2100-01-01' as event_timestamp from core.dim_movies"
ONLINE_ERRORS = (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, sqlite3.Error, OSError)
"""What a store that does not answer raises; redis-py's errors of a cluster are in part a kind of their own."""
MOVIES_PER_READ = 1000
MATERIALIZE = "materialize 1970-01-01T00:00:00 $(date -u +%Y-%m-%dT%H:%M:%S)"


def feast_options() -> list[str]:
    """The options that make `feast` use serving's store: Redis where REDIS_CONNECTION_STRING is set."""
    return ["-f", "feature_store.redis.yaml"] if text_of(REDIS) else []


def feast_command(verb: str) -> str:
    """What to type to run `feast VERB` on the store that serving uses."""
    return " ".join(["cd feature_repo && feast", *feast_options(), verb])


def unavailable(error: Exception) -> OnlineStoreError:
    """Say which store does not answer and what to do about it."""
    address = addresses(text_of(REDIS))
    if address:
        return OnlineStoreError(
            f"the online store (Redis at {address}) does not answer: {error}",
            f"start Redis at {address}; if it lost its data, {feast_command(MATERIALIZE)}",
        )
    return OnlineStoreError(
        f"the online store {workspace().online} cannot be read: {error}",
        f"{feast_command('apply')} && feast {MATERIALIZE}",
    )


def check_built() -> None:
    """Fail at once, before anything heavy is imported, when a step before serving has not run."""
    place = workspace()
    if not place.registry.exists():
        raise CineFeastError(f"no Feast registry at {place.registry}", feast_command("apply"))
    if not any(place.artifacts.glob("*/config.json")):
        raise CineFeastError(f"no trained models in {place.artifacts}", "cinefeast train")


def fail_fast(store: "FeatureStore") -> "FeatureStore":
    """Make a dead Redis known within a second: by default its client tries for several before it says so."""
    online = store.config.online_store
    if text_of(REDIS):
        online.connection_string += ",retry=null,socket_connect_timeout=1,socket_timeout=1"
    return store


@dataclass(frozen=True)
class Catalogue:
    """All films' features as they were online at one moment.

    `table` has a row a film: movie_id and the features of catalogue_v1. `version` is a hash of its content:
    equal features have equal versions, on whatever store. `read_at` is when reading began.
    """

    table: pa.Table
    version: str
    read_at: datetime


class OnlineFeatures:
    """Read features from the online store.

    A user's features are those of every user view in `services`, the services that the loaded models name, so
    that serving never asks for a feature that no model reads.
    """

    def __init__(self, store: "FeatureStore", services: Iterable[str]) -> None:
        from feature_repo.online_store.columns import ColumnReader

        self.store = store
        names = {SEEN, RULES, *services}
        self.user_fields = self._fields(sorted(names), "user")
        self.movie_fields = self._fields([CATALOGUE, RULES], "movie")
        self._users = ColumnReader(store, "user_id", self.user_fields)
        self._movies = ColumnReader(store, "movie_id", self.movie_fields)
        self._counts = ColumnReader(store, "movie_id", self._counted())

    def users(self, user_ids: Sequence[int]) -> pa.Table:
        """A row a user: user_id and the user features; all null for a user who has none online."""
        return self._read(self._users, user_ids)

    def movie_ids(self) -> np.ndarray:
        """Every film that the store knows, ascending, whether or not a model was trained on it."""
        found = self.store.get_historical_features(FILMS, ["movie_profile:movie_index"]).to_arrow()
        return np.unique(integers(found, "movie_id"))

    def catalogue(self, movie_ids: np.ndarray) -> Catalogue:
        """The features of all `movie_ids` that are online; CineFeastError when none is."""
        read_at = datetime.now(UTC)
        table = self._read_many(self._movies, movie_ids)
        table = table.filter(pc.is_valid(table["movie_index"]))
        if table.num_rows == 0:
            raise CineFeastError(
                f"none of the {len(movie_ids)} films has features online: nothing is materialized",
                feast_command(MATERIALIZE),
            )
        return Catalogue(table, content_hash(table), read_at)

    def counts(self, movie_ids: np.ndarray) -> pa.Table:
        """How many ratings each film has, and the seconds of those in the 90 days up to its last."""
        return self._read_many(self._counts, movie_ids)

    def _counted(self) -> dict[str, pa.Field]:
        from feature_repo.online_store.columns import arrow_fields

        found: dict[str, pa.Field] = {}
        for view in {reference.split(":")[0] for reference in COUNTS}:
            found |= arrow_fields(self.store.get_feature_view(view))
        return {reference: found[reference] for reference in COUNTS}

    def _fields(self, services: list[str], entity: str) -> dict[str, pa.Field]:
        """Feature reference "view:feature" -> its Arrow field, for the services' views of `entity`."""
        from feast.errors import FeatureServiceNotFoundException

        from feature_repo.online_store.columns import arrow_fields

        views = {view.name for view in self.store.list_feature_views() if view.entities == [entity]}
        fields: dict[str, pa.Field] = {}
        for service in services:
            try:
                projections = self.store.get_feature_service(service).feature_view_projections
            except FeatureServiceNotFoundException:
                raise CineFeastError(
                    f"the registry {workspace().registry} has no feature service {service}",
                    feast_command("apply"),
                ) from None
            for view in projections:
                if view.name in views:
                    fields |= arrow_fields(view)
        return fields

    def _read_many(self, reader: "ColumnReader", ids: np.ndarray) -> pa.Table:
        chunks = [
            self._read(reader, ids[start : start + MOVIES_PER_READ].tolist())
            for start in range(0, max(len(ids), 1), MOVIES_PER_READ)
        ]
        return pa.concat_tables(chunks).combine_chunks()

    def _read(self, reader: "ColumnReader", ids: Sequence[int]) -> pa.Table:
        try:
            return reader(ids)
        except ONLINE_ERRORS as error:
            raise unavailable(error) from error


def content_hash(table: pa.Table) -> str:
    """Twelve hex digits that are equal for equal tables."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:12]
