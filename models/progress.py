"""Progress bars on long steps; silent when the output is no terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")


def track(steps: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `steps` under a bar on a terminal, plainly elsewhere; `total` where the steps cannot be counted."""
    if not sys.stderr.isatty():
        yield from steps
        return
    yield from rich_track(steps, what, total, transient=True, console=Console(stderr=True))
