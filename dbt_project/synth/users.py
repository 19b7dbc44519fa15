"""The users: when they come, how much they rate, how often they come back, what they like."""

from dataclasses import dataclass

import numpy as np

from dbt_project.synth.films import DAY, YEAR, SyntheticFilms
from dbt_project.synth.presets import Preset
from dbt_project.synth.taste import DIMENSIONS, TasteSpace

FEWEST, MOST_OF_CATALOGUE = 20, 0.45  # ratings of a user: at least, and at most as a share of the films there are
SPREAD = 1.55  # of the log of the ratings beyond the fewest
LARGEST_FIRST_SESSION = 2_000
SPAN, SPAN_SPREAD = 250 * DAY, 2.2  # from first to last session of those who come back: median, of the log
HOME, LATER = 3, 2  # topics of a user: at first, and those that taste drifts to
HOME_SHARES = (0.65, 0.25, 0.1)
OWN_TASTE, BIAS, PACE = 0.12, 0.42, 0.5  # deviations: each coordinate of taste, stars, log of the pause


@dataclass(frozen=True)
class SyntheticUsers:
    """One element per user, in the order of user ids.

    came_at, seconds since 1970; ratings, how many; in_first, how many of them in the first session; sessions, how many;
    span, seconds from the first session to the latest possible; topics (users, HOME + LATER); bias, in stars; taste at
    first and later_taste (users, d); pace, 1 for who pauses as long as most.
    """

    came_at: np.ndarray
    ratings: np.ndarray
    in_first: np.ndarray
    sessions: np.ndarray
    span: np.ndarray
    topics: np.ndarray
    bias: np.ndarray
    taste: np.ndarray
    later_taste: np.ndarray
    pace: np.ndarray


def make_users(preset: Preset, space: TasteSpace, films: SyntheticFilms, rng: np.random.Generator) -> SyntheticUsers:
    """The users of a preset."""
    count = preset.users
    came_at = make_arrivals(preset, rng)
    known = films.known_by_day(preset)[(came_at - preset.first_second) // DAY]
    ratings = make_counts(preset.ratings, (MOST_OF_CATALOGUE * known).astype(np.int64), rng)
    in_first, sessions = make_returns(ratings, rng)
    span = SPAN * np.exp(SPAN_SPREAD * rng.standard_normal(count))
    topics = rng.choice(len(space.topics), (count, HOME + LATER), p=space.commonness)
    home, moved = space.topics[topics[:, :HOME]], space.topics[topics[:, HOME:]]
    own = np.float32(OWN_TASTE) * rng.standard_normal((count, DIMENSIONS), np.float32)
    return SyntheticUsers(
        came_at=came_at,
        ratings=ratings,
        in_first=in_first,
        sessions=sessions,
        span=np.minimum(span, preset.last_second - came_at).astype(np.int64),
        topics=topics.astype(np.uint8),
        bias=BIAS * rng.standard_normal(count),
        # a mean of directions is shorter than one: 1.3 and 1.1 make both tastes about as strong
        taste=np.float32(1.3) * np.einsum("uhd,h->ud", home, np.array(HOME_SHARES, np.float32)) + own,
        later_taste=np.float32(1.1) * moved.mean(axis=1) + own,
        pace=np.exp(PACE * rng.standard_normal(count, np.float32)),
    )


def make_arrivals(preset: Preset, rng: np.random.Generator) -> np.ndarray:
    """When each user comes: some years bring many, the first of many years hardly anyone."""
    start, end = preset.first_second, preset.last_second
    years = max(round((end - start) / YEAR), 1)
    weight = np.exp(0.4 * rng.standard_normal(years))
    weight[0] *= 0.02 if years > 5 else 1
    edges = np.concatenate([[0], np.cumsum(weight) / weight.sum()])
    came_at = np.interp(rng.random(preset.users), edges, np.linspace(start, end, years + 1)).astype(np.int64)
    came_at[:2] = start, end  # the whole time is used
    return came_at


def make_counts(total: int, most: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(users,) ratings: FEWEST and lognormally more, at most `most` (users,), `total` in all."""
    deviation = SPREAD * rng.standard_normal(len(most))

    def counts(level: float) -> np.ndarray:
        return np.minimum(FEWEST + np.exp(np.minimum(level + deviation, 30)).astype(np.int64), most)

    low, high = -10.0, 15.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if counts(middle).sum() <= total else (low, middle)
    ratings = counts(low)
    ratings[rng.permutation(np.flatnonzero(ratings < most))[: total - ratings.sum()]] += 1
    assert ratings.sum() == total, f"{ratings.sum()} ratings made, {total} wanted"
    return ratings


def make_returns(ratings: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(users,) ratings in the first session, and sessions. Most users have one; who rates much comes back more."""
    count = len(ratings)
    comes_back = rng.random(count) < 0.30 + 0.17 * np.log10(ratings / FEWEST)
    first = np.clip(rng.random(count) ** 1.2 * ratings, 3, LARGEST_FIRST_SESSION).astype(np.int64)
    in_first = np.where(comes_back, first, ratings)
    later = ratings - in_first
    more = np.exp(1.3 + 1.2 * rng.standard_normal(count)) + later / 40
    return in_first, 1 + np.clip(more, later > 0, later // 2 + (later == 1)).astype(np.int64)
