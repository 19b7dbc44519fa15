"""Features from all ratings of a user, and from the running sums of a film: the marts' formulas, one key at a time.

dbt_project/models/marts/features has the same for millions of keys. Sums are whole numbers of half stars, so both
add up exactly, and divide the same doubles.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from feature_repo.sources import RECENT

GENRES = 20
RECENT_SECONDS = 90 * 86_400


@dataclass
class UserHistory:
    """Everything a user rated, oldest first; of one second in the order in which it came."""

    movie_ids: list[int]
    ratings: list[float]
    timestamps: list[int]

    def add(self, movie_id: int, rating: float, second: int) -> bool:
        """Put a rating in its place; False where the same film was rated in that second already."""
        place = bisect_right(self.timestamps, second)
        first = place
        while first and self.timestamps[first - 1] == second:
            first -= 1
            if self.movie_ids[first] == movie_id:
                return False
        self.movie_ids.insert(place, movie_id)
        self.ratings.insert(place, rating)
        self.timestamps.insert(place, second)
        return True

    def rows(self, user_id: int, genres: Mapping[int, list[int]]) -> dict[str, dict[str, Any]]:
        """View to row, as of after the last rating. `genres` are the genre_indexes of each film."""
        key: dict[str, Any] = {"user_id": user_id, "event_timestamp": known_after(self.timestamps[-1])}
        lists: dict[str, list[Any]] = {
            "movie_ids": self.movie_ids,
            "ratings": self.ratings,
            "timestamps": self.timestamps,
        }
        return {
            "user_state": key | self._state(genres),
            "user_sequence": key | {f"user_recent_{name}": values[-RECENT:] for name, values in lists.items()},
            "user_history": key | {f"user_seen_{name}": values for name, values in lists.items()},
        }

    def _state(self, genres: Mapping[int, list[int]]) -> dict[str, Any]:
        half_stars = [round(rating * 2) for rating in self.ratings]
        count, total = len(half_stars), sum(half_stars)
        event_times = sorted(set(self.timestamps))
        days = len({event_time // 86_400 for event_time in event_times})
        by_genre, stars_by_genre = np.zeros(GENRES), np.zeros(GENRES)
        for movie_id, stars in zip(self.movie_ids, half_stars, strict=True):
            by_genre[genres[movie_id]] += 1
            stars_by_genre[genres[movie_id]] += stars
        affinity = (stars_by_genre / 2.0 - by_genre * (total / (2.0 * count))) / (by_genre + 5.0)
        return {
            "user_count_ratings": count,
            "user_mean_rating": mean_rating(count, total),
            "user_std_rating": std_rating(count, total, sum(stars * stars for stars in half_stars)),
            "user_last_rating": self.ratings[-1],
            "user_seconds_since_previous": float(event_times[-1] - event_times[-2]) if len(event_times) > 1 else None,
            "user_days_active": days,
            "user_ratings_per_active_day": np.float32(count / days),
            "user_genre_share": (by_genre / count).astype(np.float32),
            "user_genre_affinity": affinity.astype(np.float32),
        }


@dataclass
class FilmTotals:
    """What a film's ratings add up to, and the seconds of those in the 90 days up to the last, ascending."""

    count: int
    half_stars: int
    half_stars_squared: int
    recent: list[int]

    def add(self, rating: float, second: int) -> None:
        """Count one more rating."""
        stars = round(rating * 2)
        self.count += 1
        self.half_stars += stars
        self.half_stars_squared += stars * stars
        insort(self.recent, second)
        self.recent = [event_time for event_time in self.recent if event_time >= self.recent[-1] - RECENT_SECONDS]

    def rows(self, movie_id: int) -> dict[str, dict[str, Any]]:
        """View to row, as of after the last rating."""
        key = {"movie_id": movie_id, "event_timestamp": known_after(self.recent[-1])}
        state = {
            "movie_count_ratings": self.count,
            "movie_mean_rating": mean_rating(self.count, self.half_stars),
            "movie_std_rating": std_rating(self.count, self.half_stars, self.half_stars_squared),
            "movie_count_ratings_90d": len(self.recent),
        }
        sums = {
            "movie_sum_half_stars": self.half_stars,
            "movie_sum_half_stars_squared": self.half_stars_squared,
            "movie_recent_timestamps": self.recent,
        }
        return {"movie_state": key | state, "movie_recent": key | sums}


def unrated() -> dict[str, Any]:
    """The row of movie_state of a film that nobody has rated."""
    return {
        "movie_count_ratings": 0,
        "movie_mean_rating": None,
        "movie_std_rating": None,
        "movie_count_ratings_90d": 0,
    }


def known_after(second: int) -> datetime:
    """The moment from which the state after an event of that second may be known."""
    return datetime.fromtimestamp(second, UTC) + timedelta(microseconds=1)


def mean_rating(count: int, half_stars: int) -> np.float32:
    """Mean in stars."""
    return np.float32(half_stars / (2.0 * count))


def std_rating(count: int, half_stars: int, half_stars_squared: int) -> np.float32:
    """Standard deviation in stars, over all ratings."""
    return np.float32(math.sqrt(count * half_stars_squared - half_stars * half_stars) / (2.0 * count))
