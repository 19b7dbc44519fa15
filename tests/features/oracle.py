"""Features as a slow, obvious Python loop over the ratings computes them: what the store must agree with."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.fixtures import Rating


@dataclass(frozen=True)
class UserFeatures:
    """What is known of a user strictly before a moment."""

    user_count_ratings: int
    user_mean_rating: float
    user_std_rating: float
    user_last_rating: float
    user_seconds_since_previous: float | None
    user_days_active: int
    user_recent_movie_ids: list[int]
    user_recent_ratings: list[float]
    user_recent_timestamps: list[int]
    user_seen_movie_ids: list[int]


def user_features(ratings: list[Rating], user_id: int, at: float, window: int) -> UserFeatures | None:
    """None where the user has no rating before `at` (seconds since 1970)."""
    before = sorted((r for r in ratings if r[0] == user_id and r[3] < at), key=lambda rating: rating[3])
    if not before:
        return None
    values = [rating for _, _, rating, _ in before]
    mean = sum(values) / len(values)
    moments = sorted({when for *_, when in before})
    recent = before[-window:]
    return UserFeatures(
        user_count_ratings=len(before),
        user_mean_rating=mean,
        user_std_rating=math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)),
        user_last_rating=values[-1],
        user_seconds_since_previous=float(moments[-1] - moments[-2]) if len(moments) > 1 else None,
        user_days_active=len({datetime.fromtimestamp(when, UTC).date() for when in moments}),
        user_recent_movie_ids=[movie for _, movie, _, _ in recent],
        user_recent_ratings=[rating for _, _, rating, _ in recent],
        user_recent_timestamps=[when for *_, when in recent],
        user_seen_movie_ids=[movie for _, movie, _, _ in before],
    )


@dataclass(frozen=True)
class MovieFeatures:
    """What is known of a film strictly before a moment."""

    movie_count_ratings: int
    movie_mean_rating: float | None
    movie_std_rating: float | None
    movie_count_ratings_90d: int


def movie_features(ratings: list[Rating], movie_id: int, at: float) -> MovieFeatures:
    before = [r for r in ratings if r[1] == movie_id and r[3] < at]
    if not before:
        return MovieFeatures(0, None, None, 0)
    values = [rating for _, _, rating, _ in before]
    mean = sum(values) / len(values)
    last = max(when for *_, when in before)
    return MovieFeatures(
        movie_count_ratings=len(before),
        movie_mean_rating=mean,
        movie_std_rating=math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)),
        movie_count_ratings_90d=sum(when >= last - 90 * 86_400 for *_, when in before),
    )
