"""Progress bars on stderr, and none where stderr is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


@contextmanager
def byte_progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far a run over `total` bytes is; yields the function to call with the bytes done so far."""
    with show_progress(description, total, DownloadColumn()) as on_progress:
        yield on_progress


@contextmanager
def count_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a run over `total` things is; yields the function to call with how many are done so far."""
    with show_progress(description, total, MofNCompleteColumn()) as on_progress:
        yield on_progress


@contextmanager
def request_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a run over `total` requests is, and how many a second are answered."""
    with show_progress(description, total, MofNCompleteColumn(), RateColumn()) as on_progress:
        yield on_progress


class RateColumn(ProgressColumn):
    """Things done a second."""

    def render(self, task: Task) -> Text:
        """The rate of the last half minute."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def show_progress(description: str, total: int | None, *done: ProgressColumn) -> Iterator[Callable[[int], None]]:
    """A bar with `done` beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), *done, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda number: progress.update(task, completed=number)
