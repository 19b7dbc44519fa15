"""Which film each slot gets: by its topic's weights, among the films known at the time, none twice for a user."""

import numpy as np

from dbt_project.synth.arrays import first_of_each
from dbt_project.synth.discoveries import place_discoveries
from dbt_project.synth.films import DAY
from dbt_project.synth.presets import Preset
from dbt_project.synth.sessions import Slots
from dbt_project.synth.taste import ANY, DEEP

DEEP_FROM, ANY_FROM = 4, 8  # who has seen what a topic shows goes deeper, then takes anything
ATTEMPTS = 200


def choose_films(
    slots: Slots,
    cumulative: np.ndarray,
    known: np.ndarray,
    discoveries: tuple[np.ndarray, np.ndarray],
    preset: Preset,
    rng: np.random.Generator,
) -> np.ndarray:
    """(n,) numbers of films.

    `cumulative`: taste.cumulative_weights; `known` (days,): films known on each day since the preset's start.
    Drawing again what was drawn already is sampling without replacement by weight. One byte per user and film of a
    chunk tells what was drawn.
    """
    until = known[(slots.at - preset.first_second) // DAY]
    since, end = choose_shelves(slots, cumulative, until, rng)
    owner = (slots.user - slots.user[0]) * preset.films
    topic, film = slots.topic.copy(), np.full(len(slots.user), -1)
    taken = np.zeros(owner[-1] + preset.films, bool)
    at = place_discoveries(slots.user, discoveries[0])
    film[at] = discoveries[1]
    taken[owner[at] + film[at]] = True
    left = np.flatnonzero(film < 0)
    for attempt in range(ATTEMPTS):
        drawn = draw(cumulative, topic[left], since[left], end[left], rng)
        pair = owner[left] + drawn
        is_new = first_of_each(pair) & ~taken[pair]
        film[left[is_new]] = drawn[is_new]
        taken[pair[is_new]] = True
        left = left[~is_new]
        if len(left) == 0:
            return film
        since[left], end[left] = 0, until[left]  # the shelf is seen
        if attempt >= DEEP_FROM:
            topic[left] = ANY if attempt >= ANY_FROM else DEEP
    raise AssertionError(f"{len(left)} slots without a film after {ATTEMPTS} attempts")


def choose_shelves(
    slots: Slots, cumulative: np.ndarray, until: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) and (n,): the films each slot may get at first, numbers from and to.

    A shelf is films that the catalogue got at about the same time as one that the page's topic brings up.
    """
    opens = np.flatnonzero(np.diff(slots.page, prepend=-1))
    known = until[opens]
    centre = draw(cumulative, slots.topic[opens], np.zeros_like(known), known, rng)
    reach = np.maximum(known // 50, 60)
    since = np.where(slots.has_shelf, np.clip(centre - reach, 0, known - reach), 0)
    end = np.where(slots.has_shelf, np.minimum(centre + reach, known), known)
    return since[slots.page], np.minimum(end[slots.page], until)


def draw(
    cumulative: np.ndarray, topic: np.ndarray, since: np.ndarray, end: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(n,) films of `since` to `end` - 1, by the weights of each slot's topic."""
    order = np.argsort(topic, kind="stable")
    bounds = np.searchsorted(topic[order], np.arange(len(cumulative) + 1))
    uniform = rng.random(len(topic))
    film = np.empty(len(topic), np.int64)
    for row, begin, stop in zip(cumulative, bounds[:-1], bounds[1:], strict=True):
        at = order[begin:stop]
        low, high = row[since[at]], row[end[at]]
        film[at] = np.searchsorted(row, low + uniform[at] * (high - low), side="right") - 1
    return np.clip(film, since, end - 1)
