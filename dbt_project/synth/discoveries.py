"""Who discovers each film, so that as many films are rated as in the published data set."""

import numpy as np

from dbt_project.synth.arrays import count_up, first_of_each
from dbt_project.synth.films import SyntheticFilms
from dbt_project.synth.users import SyntheticUsers

ATTEMPTS = 200


def make_discoveries(
    films: SyntheticFilms, users: SyntheticUsers, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Who rates a film in any case: users (n,), ascending, and the film of each (n,).

    Each came after the catalogue got the film; who rates much discovers much, at most half of what they rate.
    """
    film = np.flatnonzero(films.popularity)
    latest = np.argsort(-users.came_at, kind="stable")
    room = np.cumsum(users.ratings[latest] // 2)
    came_after = np.searchsorted(-users.came_at[latest], -films.added_at[film], side="right")
    place, taken = np.full(len(film), -1), np.zeros(room[-1], bool)
    left = np.arange(len(film))
    for _ in range(ATTEMPTS):
        drawn = (rng.random(len(left)) * room[came_after[left] - 1]).astype(np.int64)
        is_new = first_of_each(drawn) & ~taken[drawn]
        place[left[is_new]] = drawn[is_new]
        taken[drawn[is_new]] = True
        left = left[~is_new]
    found = place >= 0  # nearly all: the last users may have no room for all of the latest films
    user, film = latest[np.searchsorted(room, place[found], side="right")], film[found]
    order = np.argsort(user, kind="stable")
    return user[order], film[order]


def place_discoveries(slot_user: np.ndarray, user: np.ndarray) -> np.ndarray:
    """(n,) the slots that discoveries of `user` (n,) take, spread over what each rates; both arguments ascend."""
    first = np.searchsorted(slot_user, user)
    rated = np.searchsorted(slot_user, user, side="right") - first
    many = np.bincount(user)
    number, many = count_up(many), many[user]
    return first + (number * rated + rated // 2) // many
