"""One of several processes that answer: it tells its parent that it does, and ends when that has ended."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dbt_project.errors import CineFeastError

FAULT = 3
"""Exit code of a worker that a mistake of the user ended: it would end the next one, too."""
GRACE = 20.0
"""Seconds that a worker may take to end; uvicorn gives its requests ten."""

Beat = Callable[[], None]
"""A worker tells that it answers."""


def tell(beat: int) -> None:
    """Write to the parent; without one there is nobody to tell."""
    with suppress(OSError):
        os.write(beat, b".")


def run(work: Callable[[], None], life: int) -> None:
    """The life of a worker; it ends the process."""
    threading.Thread(target=die_with_parent, args=(life,), name="parent", daemon=True).start()
    code = 0
    try:
        work()
    except CineFeastError as error:
        print(f"error: {error}", file=sys.stderr)
        code = FAULT
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    os._exit(code)


def die_with_parent(life: int) -> None:
    """End as if told to, once the parent is no more; at once, if that takes too long."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
