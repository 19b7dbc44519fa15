"""What `cinefeast bench serve` compares with: the features of one answer as Feast alone reads them."""

import itertools
import time
from typing import Any

from serving.features import CATALOGUE, RULES, OnlineFeatures


class PlainFeast:
    """A user's and 500 films' features in one `get_online_features` a request."""

    def __init__(self, store: Any, users: list[int], films: list[int]) -> None:
        self._store, self._films, self._users = store, films, itertools.cycle(users)
        features = OnlineFeatures(store, [CATALOGUE, RULES])
        self._wanted = [*features.user_fields, *features.movie_fields]
        self.spent: list[float] = []
        """Seconds of a request each."""

    def round(self) -> None:
        """Two users."""
        for user in itertools.islice(self._users, 2):
            began = time.perf_counter()
            self._store.get_online_features(
                self._wanted, {"user_id": [user] * len(self._films), "movie_id": self._films}
            )
            self.spent.append(time.perf_counter() - began)
