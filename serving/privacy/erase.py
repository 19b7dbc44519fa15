"""Erasing a user: a tombstone first, then each place that holds something. Cut short, it is done again from the start.

Each place is left alone by those who write there as soon as the tombstone is on disk, or they look at it under the same
lock, so that nothing comes back behind an erasure.
"""

from collections.abc import Callable
from contextlib import closing

from dbt_project.build_lock import locked
from dbt_project.durable import remove_parts
from dbt_project.events.append import exclusive
from dbt_project.events.erase import mark_erased, remove_rows
from dbt_project.events.seal import seal_events
from dbt_project.events.tombstones import erased_users
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from feature_repo.online_store.erased import film_key, user_key
from serving.config import REDIS, text_of
from serving.events.alone import alone
from serving.events.ledger import Ledger
from serving.features.reader import ONLINE_ERRORS, unavailable
from serving.features.user_vectors import forget_vectors
from serving.privacy.held import held, logged, online, online_store, views_of

RATED = ("movie_state", "movie_recent", "movie_influence")
"""Views of films that add up ratings, those of the user among them."""
Step = Callable[[Workspace, int], None]


def erase(space: Workspace, user_id: int, tell: Callable[[str], object]) -> None:
    """Erase a user from everything but the published warehouse and what was trained; `tell` is told of each step.

    CineFeastError where nothing is held about the user, or a place cannot be reached: then the next try goes on.
    """
    if user_id not in erased_users(space.events):
        held(space, user_id)  # nobody is kept out for a mistyped number
    mark_erased(space, user_id)
    for what, step in STEPS.items():
        step(space, user_id)
        tell(f"erased from {what}")


def from_ledger(space: Workspace, user_id: int) -> None:
    """Of the accepted events, ids included."""
    path = space.events / "accepted.db"
    if path.exists():
        with closing(Ledger(path)) as ledger:
            ledger.forget(user_id)


def from_landed(space: Workspace, user_id: int) -> None:
    """Of the events that builds read: sealing them leaves out whoever is erased. Builds wait meanwhile."""
    lock = locked(space, print)
    try:
        seal_events(space)
    finally:
        lock.release()


def from_online(space: Workspace, user_id: int) -> None:
    """The user's rows; those of the films that the user rated stay until the next build's, which may be older."""
    if not (store := online_store(space)):
        return
    config, place = store.config, store._get_provider().online_store
    films = [view for view in views_of(store, "movie") if view.name in RATED]
    try:
        with alone(space):
            place.undate(config, films, [film_key(movie_id) for movie_id in rated(space, user_id)])
            place.forget(config, views_of(store, "user"), user_key(user_id))
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error


def rated(space: Workspace, user_id: int) -> list[int]:
    """The films that the user rated, by what is online and what was built."""
    found = set(online(space, user_id).get("user_history", {}).get("user_seen_movie_ids") or [])
    if space.warehouse.exists():
        with open_warehouse(str(space.warehouse)) as connection:
            query = "select distinct movie_id from core.fct_ratings where user_id = ?"
            found |= {movie_id for (movie_id,) in connection.execute(query, [user_id]).fetchall()}
    return sorted(found)


def from_vectors(space: Workspace, user_id: int) -> None:
    """What is kept in Redis of vectors."""
    if text_of(REDIS):
        try:
            forget_vectors(user_id)
        except ONLINE_ERRORS as error:
            raise unavailable(error) from error


def from_logs(space: Workspace, user_id: int) -> None:
    """What was served, and saved data sets. Who writes a log waits meanwhile."""
    with exclusive(space.logs):
        remove_parts(*space.logs.glob("*/"))
        for file in logged(space):
            remove_rows(file, erased_users(space.events))


STEPS: dict[str, Step] = {
    "the ledger of accepted events": from_ledger,
    "landed events": from_landed,
    "online features": from_online,
    "kept vectors": from_vectors,
    "served features and saved data sets": from_logs,
}
"""In this order: an event that is accepted meanwhile has landed before the ledger lets go of it."""
