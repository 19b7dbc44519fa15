"""What long steps tell while they run: a bar on a terminal, lines elsewhere, each flushed as it comes."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")
EVERY = 10.0
"""Seconds between two lines, where there is no terminal: what ends earlier is told by its end."""


def say(line: str) -> None:
    """A line on stderr, at once, wherever that goes."""
    print(line, file=sys.stderr, flush=True)


def track(steps: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield `steps` under a bar on a terminal, with lines elsewhere; `total` where the steps cannot be counted."""
    if sys.stderr.isatty():
        yield from rich_track(steps, what, total, transient=True, console=Console(stderr=True))
        return
    count = len(steps) if total is None and isinstance(steps, Sized) else total
    started = told = time.monotonic()
    for n, step in enumerate(steps, 1):
        yield step
        now = time.monotonic()
        if now - told >= EVERY:
            say(f"{what}: {n} of {count}, {duration((now - started) / n * (count - n))} left" if count else what)
            told = now


class Steps:
    """The numbered steps of a run: each is told on stdout as it ends, with its seconds and what it measured."""

    def __init__(self, total: int) -> None:
        self._total, self._ended, self._began = total, 0, time.perf_counter()

    def ended(self, what: str, measured: dict[str, Any] | None = None) -> None:
        """Tell of the step that ends now; the next one begins."""
        self._ended += 1
        figures = "".join(f", {name} {figure(value)}" for name, value in (measured or {}).items() if value is not None)
        seconds = duration(time.perf_counter() - self._began)
        print(f"{self._ended} of {self._total}: {what} ({seconds}){figures and ':' + figures[1:]}", flush=True)
        self._began = time.perf_counter()


def figure(value: Any) -> str:
    """A measured value: whole numbers with commas, others with four digits."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
