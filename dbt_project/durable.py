"""Files that are on disk whole or not at all, whatever is killed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` in one step once all of it is on disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        flush(part)
        part.replace(target)
        flush(target.parent)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(*folders: Path) -> None:
    """Remove what killed processes left beside files of these folders; nobody else may write there now."""
    for part in (part for folder in folders for part in folder.glob("*.part")):
        part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until the file, or the folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
