"""The only door through which models see data: Feast features around the labels' entity frame."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property, reduce
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore

from dbt_project.errors import CineFeastError
from models.columns import arrays, integers, microseconds

Split = Literal["train", "validation", "test"]
Protocol = Literal["time", "leave-one-out"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SPLIT_COLUMN: dict[Protocol, str] = {"time": "split_time", "leave-one-out": "split_loo"}
EMPTY = "dbt build"
LABELS = (
    "SELECT rating_id, user_id, movie_id, event_timestamp, rating, split_time, split_loo FROM training.training_labels"
)
SLICE = 4_000_000
"""Ratings read at once: with features and in order some 2 GB, where all 32 million of MovieLens take over 10."""
STREAMED = 20_000
"""Rows of a batch that is streamed: with whole histories some 100 MB."""
CLOCK = "CINEFEAST_TRAINING_TIME"
CLOCKS = ("known", "event")
"""Its values: features as they were known at a label, or as all that has arrived since says they were."""
CODED = pa.dictionary(pa.int8(), pa.string())


def schema(store: FeatureStore, service: str) -> dict[str, str]:
    """Feature name to Feast type of a service, in its order. The live registry's, as served now."""
    found = store.get_feature_service(service)
    return {f.name: str(f.dtype) for view in found.feature_view_projections for f in view.features}


def half(store: FeatureStore, service: str, prefix: Literal["user_", "movie_"]) -> list[str]:
    """The `view:feature` references of a service that describe one entity alone: features are named after it."""
    found = store.get_feature_service(service)
    return [
        f"{view.name}:{f.name}"
        for view in found.feature_view_projections
        for f in view.features
        if f.name.startswith(prefix)
    ]


class Dataset:
    """Labels and features of one split protocol.

    `time`: 80/10/10 by global time. `leave-one-out`: each user's last event is the test, the one before the
    validation. Every feature is as of strictly before the moment its row names, and by known time, as serving would
    have read it, unless CLOCK says otherwise; the store answers for that. Labels and splits go by event time.
    """

    def __init__(self, store: FeatureStore, protocol: Protocol = "time") -> None:
        """CineFeastError where CLOCK is set to anything else than CLOCKS."""
        self.store = store
        self.protocol = protocol
        self.split_column = SPLIT_COLUMN[protocol]
        self.is_known_time = clock() == "known"

    @cached_property
    def _interactions(self) -> pa.Table:
        last = self._fetch(f"{LABELS} ORDER BY rating_id DESC LIMIT 1", "interactions_v1", is_known_time=False)
        if not last.num_rows:
            raise CineFeastError("training.training_labels has no rows", EMPTY)
        starts = range(0, last["rating_id"][0].as_py() + 1, SLICE)
        return pa.concat_tables([self._slice(start) for start in starts]).unify_dictionaries()

    def _slice(self, start: int) -> pa.Table:
        """`SLICE` ratings from one on, by rating_id, the names of their splits as codes."""
        wanted = f"{LABELS} WHERE rating_id >= {start} AND rating_id < {start + SLICE}"
        table = self._fetch(wanted, "interactions_v1", is_known_time=False).sort_by("rating_id")
        for name in SPLIT_COLUMN.values():
            table = table.set_column(table.column_names.index(name), name, table[name].cast(CODED))
        return table

    def interactions(self, *splits: Split) -> pa.Table:
        """Ratings of the splits (all when none is named): ids, event_timestamp, rating, splits; by rating_id.

        CineFeastError where there are none: whatever is computed from them would fail further on.
        """
        table = self._interactions
        if splits:
            table = table.filter(pc.is_in(table[self.split_column], pa.array(splits)))
            if not table.num_rows:
                raise self._empty(splits)
        return table

    def _empty(self, splits: tuple[Split, ...]) -> CineFeastError:
        """Why no rating is in these splits."""
        ratings, names = self._interactions, " and ".join(splits)
        if self.protocol == "leave-one-out":
            return CineFeastError(f"no user has the three ratings that a {names} split needs", "fetch more ratings")
        last = pc.max(ratings["event_timestamp"])
        count = pc.sum(pc.equal(ratings["event_timestamp"], last)).as_py()
        # where nothing is earlier than anything, nobody has a past to learn from, however it is split
        other = ", or cinefeast train --protocol leave-one-out" if count < ratings.num_rows else ""
        return CineFeastError(
            f"no ratings are in the {names} split: {count:,} of {ratings.num_rows:,} are of one moment, {last}, "
            "and time does not part them",
            f"cinefeast fetch a data set with the moments of its ratings{other}",
        )

    def features(self, service: str | list[str], entities: pd.DataFrame) -> pa.Table:
        """Features for the frame's rows (join keys, event_timestamp), in the frame's own order."""
        if not len(entities):
            raise CineFeastError(f"no rows to read {service} for", EMPTY)
        asked = entities.reset_index(drop=True).assign(row_number=np.arange(len(entities)))
        return self._fetch(asked, service).sort_by("row_number").drop_columns(["row_number"])

    def parts(self, features: str | list[str], entities: pd.DataFrame, lengths: Iterable[int]) -> Iterator[pa.Table]:
        """What `features` gives, in the frame's order, in tables of `lengths` rows; streamed, a batch at a time."""
        wanted = self.store.get_feature_service(features) if isinstance(features, str) else features
        job = self.store.get_historical_features(
            entity_df=entities, features=wanted, filter_by_created_timestamp=self.is_known_time
        )
        reader = job.to_reader(STREAMED)
        held = reader.schema.empty_table()
        for length in lengths:
            batches = held.to_batches()
            while sum(batch.num_rows for batch in batches) < length:
                batches.append(reader.read_next_batch())
            held = pa.Table.from_batches(batches, reader.schema)
            yield held.slice(0, length)
            held = held.slice(length)

    def users(self, services: str | Iterable[str], entities: pd.DataFrame) -> pa.Table:
        """The user's half of a service, or of several, for rows of (user_id, event_timestamp), in their order."""
        named = [services] if isinstance(services, str) else sorted(set(services))
        wanted = [feature for service in named for feature in half(self.store, service, "user_")]
        return self.features(list(dict.fromkeys(wanted)), entities)

    def films(self, service: str, entities: pd.DataFrame) -> pa.Table:
        """The film's half of a service for rows of (movie_id, event_timestamp), in their order."""
        return self.features(half(self.store, service, "movie_"), entities)

    def seen(self, entities: pd.DataFrame) -> list[np.ndarray]:
        """The films each (user_id, event_timestamp) had rated before that moment."""
        return arrays(self.features("seen_v1", entities), "user_seen_movie_ids")

    def histories(self, service: str, until: Split) -> pa.Table:
        """The user's half of a service at the end of `until`, for every user who has rated by then, by user_id.

        By known time those are left out of whom nothing had arrived.
        Leave-one-out ends for each user at a moment of their own: that of the first event after `until`.
        """
        user_ids = np.unique(integers(self.interactions(*SPLITS[: SPLITS.index(until) + 1]), "user_id"))
        if self.protocol == "time":
            moments = pd.Series(pd.Timestamp(self.read_at(until)).tz_localize(None), index=user_ids)
        else:
            later = self.interactions(*SPLITS[SPLITS.index(until) + 1 :]).to_pandas()
            moments = later.groupby("user_id")["event_timestamp"].min().reindex(user_ids)
        frame = pd.DataFrame({"user_id": user_ids, "event_timestamp": moments.to_numpy()})
        table = self.users(service, frame)
        features = [table[name].is_valid() for name in table.column_names if name not in frame.columns]
        return table.filter(reduce(pc.or_, features)) if features else table

    def cut_off(self, until: Split) -> datetime:
        """The moment at which `until` ends: that of the first event of the split after it."""
        after = SPLITS[SPLITS.index(until) + 1 :]
        later = self.interactions(*after)
        stamps = microseconds(later)
        return datetime.fromtimestamp((stamps.min() if after else stamps.max() + 1) / 1e6, UTC)

    def read_at(self, until: Split) -> datetime:
        """As of when users and films are read who learn up to `until`: its end; now after the last, where nothing is
        to come, so that what arrived after the newest rating was given counts."""
        end = self.cut_off(until)
        return end if until != SPLITS[-1] else max(end, datetime.now(UTC))

    def learned_until(self, until: Split) -> datetime:
        """The moment of the newest rating that is learned by who learns up to `until`."""
        stamps = microseconds(self.interactions(*SPLITS[: SPLITS.index(until) + 1]))
        return datetime.fromtimestamp(stamps.max() / 1e6, UTC)

    def catalogue(self, service: str, until: Split) -> pa.Table:
        """All films known by then, ordered by movie_index, with their features as of the end of `until`.

        Leave-one-out has no moment that parts the splits, so each film is shown as of its last rating
        within them: other users' held-out events before it count, nothing after it does.
        """
        if self.protocol == "time":
            moment = f"TIMESTAMP '{self.read_at(until):%Y-%m-%d %H:%M:%S.%f}'"
            frame = f"SELECT movie_id, {moment} AS event_timestamp FROM core.dim_movies"
        else:
            wanted = ", ".join(f"'{split}'" for split in SPLITS[: SPLITS.index(until) + 1])
            frame = (
                "SELECT m.movie_id, coalesce(max(r.event_timestamp), "
                f"TIMESTAMP '{self.cut_off(until):%Y-%m-%d %H:%M:%S.%f}') AS event_timestamp "
                "FROM core.dim_movies m LEFT JOIN training.training_labels r "
                f"ON m.movie_id = r.movie_id AND r.split_loo IN ({wanted}) GROUP BY m.movie_id"
            )
        table = self._fetch(frame, half(self.store, service, "movie_"))
        if "movie_index" not in table.column_names:
            return table.sort_by("movie_id")
        return table.filter(pc.is_valid(table["movie_index"])).sort_by("movie_index")

    @cached_property
    def data_hash(self) -> str:
        """Identity of the labelled data: a hash over every rating's user, film, moment and value."""
        table = self.interactions()
        digest = hashlib.sha256()
        for column in (integers(table, "user_id"), integers(table, "movie_id"), microseconds(table)):
            digest.update(column.tobytes())
        digest.update(table["rating"].to_numpy().astype(np.float32).tobytes())
        return digest.hexdigest()[:16]

    def _fetch(
        self, entities: pd.DataFrame | str, service: str | list[str], is_known_time: bool | None = None
    ) -> pa.Table:
        features = self.store.get_feature_service(service) if isinstance(service, str) else service
        is_known_time = self.is_known_time if is_known_time is None else is_known_time
        return self.store.get_historical_features(
            entity_df=entities, features=features, filter_by_created_timestamp=is_known_time
        ).to_arrow()


def clock() -> str:
    """By which time features are read for training and evaluation; CineFeastError where it is set to something else."""
    found = os.environ.get(CLOCK) or CLOCKS[0]
    if found not in CLOCKS:
        raise CineFeastError(f"{CLOCK}={found!r} is none of {', '.join(CLOCKS)}", f"export {CLOCK}={CLOCKS[0]}")
    return found
