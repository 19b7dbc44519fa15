"""Several processes that accept on one socket: one that dies is replaced, a signal ends all of them."""

import os
import signal
import sys
import time
from collections.abc import Callable

from dbt_project.errors import CineFeastError

FAULT = 3
"""Exit code of a worker that a mistake of the user ended: it would end the next one, too."""
PAUSE = 1.0
"""Seconds before a worker that died is replaced."""


def supervise(count: int, work: Callable[[], None], ended: Callable[[int], None]) -> None:
    """Run `work` in `count` processes until SIGINT or SIGTERM; CineFeastError where one of them met one.

    `ended` is told the id of each process that is no more.
    Call it before anything heavy is imported and any thread runs: workers are forked.
    """
    children: set[int] = set()
    is_over = False

    def end(*_: object) -> None:
        nonlocal is_over
        is_over = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    children |= {start(work) for _ in range(count)}
    fault = False
    while children:
        child, status = os.wait()
        children.discard(child)
        ended(child)
        if os.waitstatus_to_exitcode(status) == FAULT:
            fault = True
            end()
        elif not is_over:
            print(f"worker {child} ended ({os.waitstatus_to_exitcode(status)}): starting another", file=sys.stderr)
            time.sleep(PAUSE)
            if not is_over:
                children.add(start(work))
    if fault:
        raise SystemExit(1)


def start(work: Callable[[], None]) -> int:
    """A worker's process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 0
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Ctrl-C reaches the whole group; the parent passes it on
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work()
    except CineFeastError as error:
        print(f"error: {error}", file=sys.stderr)
        code = FAULT
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    os._exit(code)
