"""Features as a slow, obvious Python loop over the ratings computes them: what the store must agree with.

Nothing here is shared with the product: sums are exact fractions, rounded once at the end, as numbers of type float32.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np

from tests.fixtures import Rating

DAY = 86_400
GENRES = 20


@dataclass(frozen=True)
class FilmFacts:
    """What the oracle knows of a film beside its ratings. `shown_at`: None where neither a day nor a year is known."""

    genres: tuple[int, ...]
    directors: tuple[int, ...]
    cast: tuple[int, ...]
    shown_at: int | None


def accepted(ratings: Sequence[Rating]) -> list[Rating]:
    """Without repetitions of a user, film and second, in order of time and then of the file."""
    first: dict[tuple[int, int, int], Rating] = {}
    for rating in ratings:
        first.setdefault((rating[0], rating[1], rating[3]), rating)
    return sorted(first.values(), key=lambda rating: rating[3])


def user_features(
    ratings: list[Rating], user_id: int, at: float, genres: Mapping[int, Sequence[int]]
) -> dict[str, Any]:
    """What is known of a user strictly before `at` (seconds since 1970); all None before their first rating."""
    before = [r for r in ratings if r[0] == user_id and r[3] < at]
    if not before:
        return dict.fromkeys(USER_FEATURES)
    values = [Fraction(rating) for _, _, rating, _ in before]
    mean = sum(values) / len(values)
    moments = sorted({when for *_, when in before})
    days = len({datetime.fromtimestamp(when, UTC).date() for when in moments})
    counts = [sum(g in genres[movie] for _, movie, *_ in before) for g in range(GENRES)]
    above = [
        sum((Fraction(rating) - mean for _, movie, rating, _ in before if g in genres[movie]), Fraction(0))
        for g in range(GENRES)
    ]
    movies, given = [movie for _, movie, *_ in before], [rating for _, _, rating, _ in before]
    seconds = [when for *_, when in before]
    return {
        "user_count_ratings": len(before),
        "user_mean_rating": single(mean),
        "user_std_rating": spread(values),
        "user_last_rating": given[-1],
        "user_seconds_since_previous": float(moments[-1] - moments[-2]) if len(moments) > 1 else None,
        "user_days_active": days,
        "user_ratings_per_active_day": single(Fraction(len(before), days)),
        "user_genre_share": [single(Fraction(count, len(before))) for count in counts],
        "user_genre_affinity": [single(a / (count + 5)) for a, count in zip(above, counts, strict=True)],
        "user_recent_movie_ids": movies[-50:],
        "user_recent_ratings": given[-50:],
        "user_recent_timestamps": seconds[-50:],
        "user_seen_movie_ids": movies,
        "user_seen_ratings": given,
        "user_seen_timestamps": seconds,
    }


def movie_features(ratings: list[Rating], movie_id: int, at: float, films: Mapping[int, FilmFacts]) -> dict[str, Any]:
    """What is known of a film strictly before `at`; `films` are all of them."""
    before = [r for r in ratings if r[1] == movie_id and r[3] < at]
    # a film is known from the day it is shown, or from its first rating where that comes first; without a day always
    known = [when for _, movie, _, when in ratings if movie == movie_id]
    if min([*known, films[movie_id].shown_at or 0]) > at:
        return dict.fromkeys(MOVIE_FEATURES) | influence(ratings, movie_id, at, films)
    values = [Fraction(rating) for _, _, rating, _ in before]
    last = max((when for *_, when in before), default=0)
    return {
        "movie_count_ratings": len(before),
        "movie_mean_rating": single(sum(values) / len(values)) if before else None,
        "movie_std_rating": spread(values) if before else None,
        "movie_count_ratings_90d": sum(when >= last - 90 * DAY for *_, when in before),
        **influence(ratings, movie_id, at, films),
    }


def influence(ratings: list[Rating], movie_id: int, at: float, films: Mapping[int, FilmFacts]) -> dict[str, Any]:
    """Mean rating of all films of the film's people before this quarter, in hundredths; None before it is shown."""
    day = datetime.fromtimestamp(at, UTC)
    quarter = datetime(day.year, 3 * ((day.month - 1) // 3) + 1, 1, tzinfo=UTC).timestamp()
    film, result = films[movie_id], {}
    for role, name in (("directors", "movie_director_influence"), ("cast", "movie_cast_influence")):
        values = [
            Fraction(rating)
            for person in getattr(film, role)  # a film that two of them made counts once for each
            for _, other, rating, when in ratings
            if when < quarter and person in getattr(films[other], role)
        ]
        is_known = values and (film.shown_at or 0) <= at
        result[name] = (
            single(Fraction(math.floor(100 * sum(values) / len(values) + Fraction(1, 2)), 100)) if is_known else None
        )
    return result


def single(value: Fraction) -> float:
    """The nearest number of type float32."""
    return float(np.float32(float(value)))


def spread(values: list[Fraction]) -> float:
    """Standard deviation over all the values."""
    mean = sum(values) / len(values)
    return float(np.float32(math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))))


def same(found: Any, expected: Any) -> bool:
    """Equal; numbers of type float32 may differ in their last bit, which the oracle rounds by another way."""
    if isinstance(expected, list):
        return found is not None and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and found is not None:
        return bool(abs(found - expected) <= np.spacing(np.float32(max(abs(expected), 1e-3))))
    return bool(found == expected)


USER_FEATURES = (
    "user_count_ratings", "user_mean_rating", "user_std_rating", "user_last_rating", "user_seconds_since_previous",
    "user_days_active", "user_ratings_per_active_day", "user_genre_share", "user_genre_affinity",
    "user_recent_movie_ids", "user_recent_ratings", "user_recent_timestamps",
    "user_seen_movie_ids", "user_seen_ratings", "user_seen_timestamps",
)  # fmt: skip
MOVIE_FEATURES = ("movie_count_ratings", "movie_mean_rating", "movie_std_rating", "movie_count_ratings_90d")
