"""Append-only parts of answers in raw/tmdb, each shown finished by one rename.

While a part grows it is a plain file that readers do not see, one whole line an answer: a process that is killed
leaves at most its last line torn. The next run finishes what it finds, under the name that the first line gives, so
that a part which is finished twice is the same file.
"""

import gzip
import os
from pathlib import Path
from typing import TextIO

from dbt_project.ingest.tmdb.answers import FilmAnswer

LINES = 1000
"""Answers of a part: about 20 MB of text, 5 MB compressed."""


class Parts:
    """The parts below a directory. One run at a time writes them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.growing: TextIO | None = None
        self.lines = 0

    def append(self, answer: FilmAnswer) -> None:
        """Write an answer so that killing this process does not lose it."""
        if self.growing is None:
            stamp = answer.fetched_at.replace("-", "").replace(":", "")
            self.growing = (self.directory / f".tmdb-{stamp}.jsonl").open("a", encoding="ascii", newline="\n")
        self.growing.write(answer.line() + "\n")
        self.growing.flush()
        self.lines += 1

    @property
    def is_full(self) -> bool:
        """Whether the growing part has as many answers as a part should."""
        return self.lines >= LINES

    def close(self) -> Path | None:
        """End the growing part; it is yet to be finished."""
        if self.growing is None:
            return None
        path = Path(self.growing.name)
        self.growing.close()
        self.growing, self.lines = None, 0
        return path

    def finish_all(self) -> list[Path]:
        """Finish the closed parts that no reader sees yet; returns what is shown now."""
        return [finish(path) for path in sorted(self.directory.glob(".tmdb-*.jsonl"))]


def finish(path: Path) -> Path:
    """Compress a closed part and show it by one rename; returns what is shown. A torn last line is left out."""
    target = path.with_name(f"{path.name.removeprefix('.')}.gz")
    whole = path.read_bytes()
    aside = target.with_name(f"{target.name}.part")
    with aside.open("wb") as file:
        file.write(gzip.compress(whole[: whole.rfind(b"\n") + 1], 6, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(target)
    path.unlink()
    return target
