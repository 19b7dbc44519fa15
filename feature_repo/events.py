"""New ratings: landed for the next dbt build, and in the online features at once.

A user's features are a function of all their ratings, a film's of three sums and its last 90 days. So the rows after a
new rating are computed anew from what is online by the formulas of the marts: they are the rows
that `dbt build` and `feast materialize` put there, late ratings included. A build alone renews `movie_influence`, which
changes by quarter, and `user_profile`, which numbers a new user.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from feast import FeatureStore
from feast.data_source import PushMode

from dbt_project.errors import CineFeastError
from feature_repo.online_store.erased import film_key
from feature_repo.running import FilmTotals, UserHistory


@dataclass(frozen=True)
class Rating:
    """A rating at a moment; fractions of a second are left out, as MovieLens leaves them out."""

    user_id: int
    movie_id: int
    rating: float
    rated_at: datetime

    @property
    def second(self) -> int:
        """Seconds since 1970."""
        return int(self.rated_at.timestamp() // 1)

    def check(self) -> None:
        """CineFeastError where its moment has no time zone; what else dbt would reject is refused when it is landed."""
        if self.rated_at.tzinfo is None:
            raise CineFeastError(f"rated_at {self.rated_at} is no moment with a time zone", "send it in UTC")


class RatingRecorder:
    """Takes new ratings into the feature store, one call at a time. Keep one: it remembers the films' genres."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self._genres: dict[int, list[int]] = {}
        self._lock = threading.Lock()

    def record(self, ratings: Sequence[Rating]) -> None:
        """Land the ratings, then write the online features of their users and films.

        Raises CineFeastError for a rating that dbt would reject or a film that is not online, before anything is
        written; the store itself refuses the former. A rating that is recorded twice counts once, here as in dbt.
        """
        for rating in ratings:
            rating.check()
        self._films(sorted({rating.movie_id for rating in ratings}))
        self.land(ratings)
        self.renew(ratings)

    def land(self, ratings: Sequence[Rating]) -> None:
        """Put the ratings on disk, whole or not at all, where the next dbt build reads them."""
        self.store.push("ratings", pd.DataFrame([vars(rating) for rating in ratings]), to=PushMode.OFFLINE)

    def renew(self, ratings: Sequence[Rating]) -> None:
        """Write the online features of the ratings' users and films as they are after them.

        A rating once more changes nothing. CineFeastError for a film that is not online, before anything is written.
        """
        with self._lock:
            films = self._films(sorted({rating.movie_id for rating in ratings}))
            unrated = [movie_id for movie_id, film in films.items() if not film.count]
            users = self._users(sorted({rating.user_id for rating in ratings}))
            for rating in ratings:
                if users[rating.user_id].add(rating.movie_id, rating.rating, rating.second):
                    films[rating.movie_id].add(rating.rating, rating.second)
            self._learn_genres({movie for user in users.values() for movie in user.movie_ids})
            self._write([user.rows(user_id, self._genres) for user_id, user in users.items() if user.movie_ids])
            self._undate(movie_id for movie_id in unrated if films[movie_id].count)
            self._write([film.rows(movie_id) for movie_id, film in films.items() if film.count])

    def _users(self, ids: list[int]) -> dict[int, UserHistory]:
        names = ["user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps"]
        online = self._read([f"user_history:{name}" for name in names], "user_id", ids)
        rows = zip(ids, *(online[name] for name in names), strict=True)
        return {
            user: UserHistory(list(movies or []), list(given or []), list(at or [])) for user, movies, given, at in rows
        }

    def _films(self, ids: list[int]) -> dict[int, FilmTotals]:
        names = ["movie_sum_half_stars", "movie_sum_half_stars_squared", "movie_recent_timestamps"]
        online = self._read(
            [
                "movie_profile:movie_title",
                "movie_state:movie_count_ratings",
                *(f"movie_recent:{name}" for name in names),
            ],
            "movie_id",
            ids,
        )
        unknown = [film for film, title in zip(ids, online["movie_title"], strict=True) if title is None]
        if unknown:
            raise CineFeastError(
                f"film {unknown[0]} has no features online", "cd feature_repo && feast materialize ..."
            )
        rows = zip(ids, online["movie_count_ratings"], *(online[name] for name in names), strict=True)
        return {
            film: FilmTotals(count or 0, stars or 0, squares or 0, list(recent or []))
            for film, count, stars, squares, recent in rows
        }

    def _learn_genres(self, films: set[int]) -> None:
        unknown = sorted(films - self._genres.keys())
        if unknown:
            found = self._read(["movie_profile:movie_genres"], "movie_id", unknown)["movie_genres"]
            self._genres |= {film: list(genres or []) for film, genres in zip(unknown, found, strict=True)}

    def _undate(self, films: Iterable[int]) -> None:
        """Let go of rows which say that nobody rated a film: they are of its release, which a rating may precede."""
        keys = [film_key(movie_id) for movie_id in films]
        if keys:
            view = self.store.get_feature_view("movie_state")
            self.store._get_provider().online_store.undate(self.store.config, [view], keys)

    def _read(self, features: list[str], key: str, ids: list[int]) -> dict[str, list[Any]]:
        return self.store.get_online_features(features, {key: ids}).to_dict()

    def _write(self, rows: list[dict[str, dict[str, Any]]]) -> None:
        """Each of `rows` maps views to a row of theirs."""
        for view in rows[0] if rows else ():
            self.store.write_to_online_store(view, pd.DataFrame([row[view] for row in rows]))
