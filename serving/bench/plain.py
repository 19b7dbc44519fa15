"""What `cinefeast bench serve` compares with: the features of one answer as Feast alone reads them, and as columns."""

import itertools
import time
from typing import Any

from feature_repo.online_store.columns import ColumnReader
from serving.features.reader import CATALOGUE, RULES, OnlineFeatures


class PlainFeast:
    """A user's and 500 films' features in one `get_online_features` a request, and the same by two ColumnReaders."""

    def __init__(self, store: Any, users: list[int], films: list[int]) -> None:
        self._store, self._films, self._users = store, films, itertools.cycle(users)
        features = OnlineFeatures(store, [CATALOGUE, RULES])
        self._wanted = [*features.user_fields, *features.movie_fields]
        self._user = ColumnReader(store, "user_id", features.user_fields)
        self._movies = ColumnReader(store, "movie_id", features.movie_fields)
        self.spent: list[float] = []
        """Seconds of a request each."""
        self.spent_by_columns: list[float] = []
        """The same of ColumnReaders."""

    def round(self) -> None:
        """Two users."""
        for user in itertools.islice(self._users, 2):
            began = time.perf_counter()
            self._store.get_online_features(
                self._wanted, {"user_id": [user] * len(self._films), "movie_id": self._films}
            )
            between = time.perf_counter()
            self._user([user])
            self._movies(self._films)
            self.spent.append(between - began)
            self.spent_by_columns.append(time.perf_counter() - between)
