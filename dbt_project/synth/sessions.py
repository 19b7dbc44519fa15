"""When users rate: sessions, pages of films within them, and bursts of ratings that share a second."""

from dataclasses import dataclass

import numpy as np

from dbt_project.synth.arrays import count_up
from dbt_project.synth.films import YEAR
from dbt_project.synth.presets import Preset, seconds
from dbt_project.synth.taste import DEEP, POPULAR
from dbt_project.synth.users import HOME, HOME_SHARES, LATER, SyntheticUsers

FORMS_UNTIL = seconds("2003-02-18")  # before, a page of films was a form: all its ratings were sent at once
SENT_AT_ONCE = 0.6, 0.07  # share of pages, before and after
IMPORTS = 0.003  # share of sessions in which ratings are loaded from elsewhere, up to hundreds in a second
PAGE, IMPORT_PAGE = 10, 100  # ratings, on average
SHELF = 0.75  # share of pages that show films of one time
PAUSE, PAUSE_SPREAD, LONGEST_PAUSE = 15, 1.3, 1_200  # seconds between ratings: median, of the log, at most
DRIFT = 4 * YEAR  # the time in which taste moves most of the way
NEWCOMER = 15  # ratings for which MovieLens shows mostly well known films
POPULAR_PAGES = 0.4, 0.06  # share, for newcomers and after


@dataclass(frozen=True)
class Slots:
    """One element per rating to be, ordered by user, then by session.

    user, number in `SyntheticUsers`; at, seconds since 1970; page, a number; topic to choose from; drift, how far
    taste has moved, 0 to 1. has_shelf, one element per page: whether it shows films of one time only.
    """

    user: np.ndarray
    at: np.ndarray
    page: np.ndarray
    topic: np.ndarray
    has_shelf: np.ndarray
    drift: np.ndarray


def make_slots(users: SyntheticUsers, first: int, last: int, preset: Preset, rng: np.random.Generator) -> Slots:
    """The slots of the users `first` to `last` - 1."""
    user = np.repeat(np.arange(first, last), users.ratings[first:last])
    place = count_up(users.ratings[first:last])
    session, starts = place_sessions(users, user, place, rng)
    opens_session = np.diff(session, prepend=-1) > 0
    is_import = rng.random(len(starts)) < IMPORTS
    size = np.where(is_import, IMPORT_PAGE, PAGE)[session]
    opens_page = opens_session | (rng.random(len(user)) * size < 1)
    page = np.cumsum(opens_page) - 1
    at_page = np.flatnonzero(opens_page)
    share = np.where(starts[session[at_page]] < FORMS_UNTIL, *SENT_AT_ONCE)
    is_at_once = (rng.random(len(at_page)) < share) | is_import[session[at_page]]
    pause = PAUSE * users.pace[user] * np.exp(PAUSE_SPREAD * rng.standard_normal(len(user), np.float32))
    pause[opens_session | (is_at_once[page] & ~opens_page)] = 0
    at = add_pauses(starts, np.flatnonzero(opens_session), np.minimum(pause, LONGEST_PAUSE), preset)
    drift = 1 - np.exp(-np.maximum(at - users.came_at[user], 0) / DRIFT)
    topic = choose_topics(users, user[at_page], place[at_page], drift[at_page], rng)
    has_shelf = rng.random(len(at_page)) < SHELF
    return Slots(user, at, page, topic[page], has_shelf, drift.astype(np.float32))


def place_sessions(
    users: SyntheticUsers, user: np.ndarray, place: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which session each slot (n,) is in, and when each session starts; sessions are numbered by user, then by time.

    A session after a user's first has two ratings or more on average, so that none is left empty.
    """
    of = slice(user[0], user[-1] + 1)
    many = users.sessions[of]
    number = count_up(many)
    wait = np.where(number == 0, 0, np.repeat(users.span[of], many) * rng.random(len(number)) ** 1.5)
    owner = np.repeat(np.arange(len(many)), many)
    starts = np.repeat(users.came_at[of], many) + wait[np.lexsort((wait, owner))].astype(np.int64)
    in_first, later = users.in_first[user], (users.ratings - users.in_first)[user]
    share = np.maximum(place - in_first, 0) / np.maximum(later, 1)  # of the ratings after the first session, 0 to 1
    session = np.where(place < in_first, 0, 1 + (share**1.2 * (users.sessions[user] - 1)).astype(np.int64))
    return (np.cumsum(many) - many)[user - user[0]] + session, starts


def add_pauses(starts: np.ndarray, opens: np.ndarray, pause: np.ndarray, preset: Preset) -> np.ndarray:
    """(n,) moments from the start of each session, the slots `opens` it begins at and the pauses before each slot.

    A session that would outlast the preset is moved to end with it.
    """
    elapsed = np.cumsum(pause.astype(np.int64))
    length = np.diff(opens, append=len(pause))
    elapsed -= np.repeat(elapsed[opens], length)
    duration = elapsed[opens + length - 1]
    return np.repeat(np.clip(starts, preset.first_second, preset.last_second - duration), length) + elapsed


def choose_topics(
    users: SyntheticUsers, user: np.ndarray, place: np.ndarray, drift: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(pages,) the topic of each page: the user's, or what is popular; who rates much goes deep into the catalogue."""
    home = rng.choice(HOME, len(user), p=HOME_SHARES)
    moved = HOME + rng.integers(0, LATER, len(user))
    topic = users.topics[user, np.where(rng.random(len(user)) < drift, moved, home)]
    deep = np.clip(0.35 * np.log10(users.ratings[user] / 500), 0.01, 0.6)
    topic = np.where(rng.random(len(user)) < deep, DEEP, topic)
    popular = np.where(place < NEWCOMER, *POPULAR_PAGES)
    return np.where(rng.random(len(user)) < popular, POPULAR, topic).astype(np.uint8)
