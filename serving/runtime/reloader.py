"""New artifacts and features while the server runs: loaded beside the old, tried, and put in their place at once."""

import logging
import threading
from collections.abc import Callable

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from models.served import CHANNELS, FINAL, RANKER
from serving.pipeline.recommender import Recommender
from serving.schemas.requests import CandidatesQuery

log = logging.getLogger("cinefeast.reloader")
POLL_SECONDS = 2.0
"""Seconds between two looks; what changes between them is still being written."""

Stamp = tuple[tuple[str, int, int], ...]


class Watcher(threading.Thread):
    """Looks at artifacts and registry, and hands a new recommender on once they have changed and lie still.

    A set that cannot be loaded or fails its trial is refused: it is logged, and tried again when it changes.
    """

    def __init__(self, space: Workspace, load: Callable[[], Recommender], swap: Callable[[Recommender], None]) -> None:
        super().__init__(name="artifacts", daemon=True)
        self._space, self._load, self._swap = space, load, swap
        self._done = stamp(space)
        self._stopped = threading.Event()
        self.refused: str | None = None
        """Why what lies in the workspace is not what is served."""

    def run(self) -> None:
        """Until `stop`."""
        before = self._done
        while not self._stopped.wait(POLL_SECONDS):
            now = stamp(self._space)
            if now == before != self._done:
                self._done = now
                self._try()
            before = now

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _try(self) -> None:
        try:
            new = self._load()
            check(new)
            self._swap(new)
        except Exception as error:  # whatever is wrong with it, what is served goes on
            self.refused = str(error)
            log.error("new artifacts refused, the old ones stay: %s", error)
        else:
            self.refused = None
            log.warning("serving models %s, catalogue %s", new.version, new.catalogue.version)


def stamp(space: Workspace) -> Stamp:
    """Changes with every new artifact and with every materialization."""
    folders = (space.artifacts, space.artifacts / FINAL)
    models = [folder / name for folder in folders for name in (*CHANNELS, RANKER)]
    found = []
    for path in [*(model / file for model in models for file in ("config.json", "model.safetensors")), space.registry]:
        try:
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_ino))
        except OSError:
            found.append((str(path), 0, 0))
    return tuple(found)


def check(recommender: Recommender) -> None:
    """Answer for a user as requests will; CineFeastError where anything is missing."""
    users = recommender.known_users()["user_id"].to_pylist()
    if not users:
        raise CineFeastError("no user has features online", "cd feature_repo && feast materialize ...")
    answer = recommender.answer(users[0], CandidatesQuery(explain=True))
    if answer.degraded or not (answer.items or answer.notes):
        what = "; ".join(answer.degraded) or "an empty list"
        raise CineFeastError(f"a trial answer for user {users[0]} went wrong: {what}", "cinefeast train")
