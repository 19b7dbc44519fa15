"""One process at a time reads and rewrites online features of events."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from dbt_project.workspace import Workspace


@contextmanager
def alone(space: Workspace) -> Iterator[None]:
    """No other worker of the workspace renews features meanwhile, nor erases any; a killed one's lock dies with it."""
    with (space.events / ".renewing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
