"""Models are saved aside while others are still trained, and put in place when all are there."""

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, publish_directory

PREFIX = ".training-"
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""What ends a write for want of room, or of the right to write."""
SAID = ("No space left", "File too large", "quota exceeded", "file write failed", "unexpected pos")
"""The same, as safetensors and torch say it, which give no number."""


@contextmanager
def staged(folder: Path, again: str) -> Iterator[Path]:
    """A folder below `folder` to save models in, for one run at a time; what is left in it at the end is removed.

    A disk that is full or cannot be written is one CineFeastError, with the command to try `again`.
    """
    try:
        with alone(folder), TemporaryDirectory(prefix=PREFIX, dir=folder, ignore_cleanup_errors=True) as place:
            yield Path(place)  # it is gone where it was put in place whole
    except CineFeastError:
        raise
    except Exception as error:
        why = unwritten(error)
        if why is None:
            raise
        where = getattr(error, "filename", None) or folder
        raise CineFeastError(
            f"cannot write to {where}: {why}; the models are those of before",
            f"make room there, or set {VARIABLE} to a directory that you may write to, then {again}",
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder, as long as this process lives at most, and remove what killed runs have left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".training.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CineFeastError(
                f"another cinefeast train is writing to {folder}", "wait for it to end, then try again"
            ) from None
        for left in folder.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def put_in_place(place: Path, folder: Path, names: list[str]) -> None:
    """Show the models that were saved below `place` in `folder`, one after another."""
    for name in names:
        publish_directory((place / name).resolve(), folder / name)


def unwritten(error: Exception) -> str | None:
    """Why something could not be written; None where the error is about something else."""
    if isinstance(error, OSError) and error.errno in DISK:
        return error.strerror or str(error)
    return next((said for said in SAID if said in str(error)), None)
