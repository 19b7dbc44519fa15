"""Features that were served, logged through Feast: a row a film shown, with the request's id, to be trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.columns import integers
from models.ids import Ids
from serving.config import settings
from serving.features.reader import Catalogue

if TYPE_CHECKING:
    from feast import FeatureStore

SERVICE = "served_v1"
PRESENT, NULL_VALUE, NOT_FOUND = 1, 2, 3
"""Feast's FieldStatus."""


@dataclass(frozen=True)
class LoggedAnswer:
    """What is logged of an answer."""

    request_id: str | None
    at: datetime
    user: pa.Table
    """The user's id and features, one row."""
    read_at: datetime | None
    """When they were read."""
    movie_ids: list[int]


class FeatureLog:
    """Logs what answers of one catalogue were made of, to where the service's configuration says. For one thread.

    `sample_rate` is the share of answers that are logged: what is set, or else the service's.
    """

    def __init__(self, store: "FeatureStore", known: set[str], catalogue: Catalogue) -> None:
        """`known` is what users' rows have, `catalogue` all films' rows."""
        films, self._films_read_at = catalogue.table, catalogue.read_at
        self._service = store.get_feature_service(SERVICE)
        self._store = store
        self._views = self._service.feature_view_projections
        self._user_views = {v.name for v in self._views if store.get_feature_view(v.name).join_keys == ["user_id"]}
        share = settings().log_features
        self.sample_rate: float = self._service.logging_config.sample_rate if share is None else share
        features = [feature.name for view in self._views for feature in view.features]
        self.user_features = [name for name in features if name in known]
        self._films = films.select([name for name in features if name in films.column_names])
        self._rows = Ids(integers(films, "movie_id"))

    def write(self, shown: Sequence[LoggedAnswer]) -> None:
        """Add the answers: one file, whole or not at all."""
        self._store.write_logged_features(self._table(shown), self._service)

    def _table(self, shown: Sequence[LoggedAnswer]) -> pa.Table:
        movie_ids = np.array([movie for one in shown for movie in one.movie_ids], np.int64)
        answer = [n for n, one in enumerate(shown) for _ in one.movie_ids]
        users = pa.concat_tables([one.user for one in shown]).take(pa.array(answer, pa.int64()))
        rows = self._rows.rows(movie_ids)
        films = self._films.take(pa.array(rows, mask=rows < 0))  # what was added since has no features yet
        columns: dict[str, Any] = {"user_id": users["user_id"], "movie_id": movie_ids}
        for view in self._views:
            of_users = view.name in self._user_views
            read_at = [shown[n].read_at if of_users else self._films_read_at for n in answer]
            for feature in view.features:
                name = f"{view.name_to_use()}__{feature.name}"
                columns[name], columns[f"{name}__status"] = values_and_status(feature.name, users, films)
                columns[f"{name}__timestamp"] = pa.array(read_at, pa.timestamp("us", "UTC"))  # as known then: replay
        columns["__log_timestamp"] = [shown[n].at for n in answer]
        columns["__log_date"] = [shown[n].at.date() for n in answer]
        columns["__request_id"] = [shown[n].request_id for n in answer]
        return pa.table(columns)


def values_and_status(feature: str, users: pa.Table, films: pa.Table) -> tuple[Any, Any]:
    """A feature's values (n,) and their states, as Feast names them."""
    table = users if feature in users.column_names else films
    if feature not in table.column_names:
        return pa.nulls(len(users)), np.full(len(users), NOT_FOUND)
    return table[feature], pc.if_else(pc.is_valid(table[feature]), PRESENT, NULL_VALUE)
