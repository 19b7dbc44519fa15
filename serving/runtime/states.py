"""What each worker tells of itself every second, from the event loop that answers, for who asks another process."""

import os
from contextlib import suppress
from pathlib import Path

from serving.schemas.health import WorkerState


class States:
    """The last state of each of several workers, a file each in a folder that they share."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def tell(self, state: WorkerState) -> None:
        """Put this process's in place of its last one."""
        path = self._path(os.getpid())
        aside = path.with_suffix(".part")
        aside.write_text(state.model_dump_json())
        aside.replace(path)

    def forget(self, pid: int) -> None:
        """A worker that is no more."""
        self._path(pid).unlink(missing_ok=True)

    def all(self) -> list[WorkerState]:
        """Those of workers that accept requests."""
        found = []
        for path in sorted(self._folder.glob("*.state")):
            with suppress(FileNotFoundError):  # a worker that has just been found dead
                found.append(WorkerState.model_validate_json(path.read_text()))
        return found

    def _path(self, pid: int) -> Path:
        return self._folder / f"{pid}.state"
