"""The lock of builds: one process at a time writes the warehouse and the segments that it is built from."""

from collections.abc import Callable

from filelock import FileLock, Timeout

from dbt_project.workspace import Workspace


def locked(space: Workspace, tell: Callable[[str], object]) -> FileLock:
    """The lock of the workspace's build file, once nobody else has it; it dies with this process.

    `tell` is told of it where somebody has it.
    """
    space.build.parent.mkdir(parents=True, exist_ok=True)
    # of one process all share it, as a program may call dbt twice
    lock = FileLock(space.build.with_name(".lock"), is_singleton=True, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        tell(f"another dbt command works on {space.build}; this one goes on when that has ended")
        lock.acquire()
    return lock
