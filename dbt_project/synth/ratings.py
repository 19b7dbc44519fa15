"""How films are rated: user, film, match of taste and chance, cut into half stars."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dbt_project.synth.choose import choose_films
from dbt_project.synth.discoveries import make_discoveries
from dbt_project.synth.films import SyntheticFilms
from dbt_project.synth.presets import Preset
from dbt_project.synth.sessions import Slots, make_slots
from dbt_project.synth.taste import TasteSpace, cumulative_weights
from dbt_project.synth.users import SyntheticUsers

MATCH, CHANCE = 0.42, 0.8  # stars
# Shares of 0.5, 1, ... 5 stars: ml-latest-small, 2018.
SHARES = np.array([0.0136, 0.0279, 0.0178, 0.0749, 0.0550, 0.1988, 0.1303, 0.2660, 0.0848, 0.1310])
STARS = pa.array([f"{half / 2:.1f}" for half in range(11)])
CHUNK = 200_000  # ratings made at once
PILOT = 1_000_000  # ratings from which the cuts between stars are taken


@dataclass(frozen=True)
class World:
    """What the ratings are made from.

    known (days,), how many films there are; cumulative, of taste.cumulative_weights; discoveries, of make_discoveries;
    cuts (9,), the scores at which the next half star begins.
    """

    preset: Preset
    films: SyntheticFilms
    users: SyntheticUsers
    known: np.ndarray
    cumulative: np.ndarray
    discoveries: tuple[np.ndarray, np.ndarray]
    cuts: np.ndarray


@dataclass(frozen=True)
class SyntheticRatings:
    """One element per rating, ordered by user, then by film: numbers of user and film, half stars 1 to 10, seconds."""

    user: np.ndarray
    film: np.ndarray
    half_stars: np.ndarray
    at: np.ndarray


def make_world(
    preset: Preset, space: TasteSpace, films: SyntheticFilms, users: SyntheticUsers, rng: np.random.Generator
) -> World:
    """The world; stars are cut where a first sample has the published shares of them."""
    known = films.known_by_day(preset)
    cumulative = cumulative_weights(space, films.vectors, films.popularity)
    last = max(int(np.searchsorted(np.cumsum(users.ratings), PILOT)), 1)
    discoveries = make_discoveries(films, users, rng)
    world = World(preset, films, users, known, cumulative, discoveries, np.empty(0))
    slots, film = choose(world, 0, last, rng)
    cuts = np.quantile(score(world, slots, film, rng), np.cumsum(SHARES)[:-1] / SHARES.sum())
    return replace(world, cuts=cuts)


def chunks(world: World) -> list[tuple[int, int]]:
    """Ranges of users with about CHUNK ratings each."""
    ends = np.cumsum(world.users.ratings)
    starts = np.unique(np.searchsorted(ends, np.arange(0, ends[-1], CHUNK)))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(ends)], strict=True))


def make_ratings(world: World, first: int, last: int, rng: np.random.Generator) -> SyntheticRatings:
    """All ratings of the users `first` to `last` - 1."""
    slots, film = choose(world, first, last, rng)
    stars = 1 + np.searchsorted(world.cuts, score(world, slots, film, rng))
    order = np.argsort(slots.user * len(world.films.movie_id) + film)
    return SyntheticRatings(slots.user[order], film[order], stars[order], slots.at[order])


def choose(world: World, first: int, last: int, rng: np.random.Generator) -> tuple[Slots, np.ndarray]:
    """The slots of some users and the film of each."""
    slots = make_slots(world.users, first, last, world.preset, rng)
    of = slice(*np.searchsorted(world.discoveries[0], [first, last]))
    discoveries = world.discoveries[0][of], world.discoveries[1][of]
    return slots, choose_films(slots, world.cumulative, world.known, discoveries, world.preset, rng)


def score(world: World, slots: Slots, film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) how much each user liked each film, in stars about the mean."""
    users, user, vectors = world.users, slots.user, world.films.vectors[film]
    at_first = np.einsum("nd,nd->n", users.taste[user], vectors)
    later = np.einsum("nd,nd->n", users.later_taste[user], vectors)
    match = (1 - slots.drift) * at_first + slots.drift * later
    return users.bias[user] + world.films.quality[film] + MATCH * match + CHANCE * rng.standard_normal(len(user))


def ratings_table(made: SyntheticRatings, films: SyntheticFilms) -> pa.Table:
    """Rows of ratings.csv."""
    return pa.table({
        "userId": made.user + 1,
        "movieId": films.movie_id[made.film],
        "rating": STARS.take(pa.array(made.half_stars)),
        "timestamp": made.at,
    })  # fmt: skip
