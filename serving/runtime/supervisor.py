"""Several processes that accept on one socket: one that dies or hangs is replaced, a signal ends all of them."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from serving.runtime.worker import FAULT, GRACE, Beat, run, tell

PAUSE = 1.0
"""Seconds before a worker that died is replaced."""
LONG_PAUSE = 5.0
"""Seconds before one is that met a CineFeastError while others answer, such as of a store that is away: each try costs
those others."""
ENDING = (signal.SIGTERM, signal.SIGINT)

Work = Callable[[Beat], None]


@dataclass
class Worker:
    """A child."""

    pid: int
    work: Work
    pulse: int
    """The pipe on which it tells that it answers."""
    began: float
    last: float | None = None
    """When it last told; None before the first time."""
    is_killed: bool = False


@dataclass
class Supervisor:
    """Keeps a worker at each of `works`, which calls its argument every second or so once it accepts requests.

    One that was silent for `patience` seconds is killed, and one that has told nothing `start_up` seconds after its
    beginning. Workers end with this process, however it ends: they hold the reading end of a pipe that nobody writes
    to.
    """

    works: list[Work]
    ended: Callable[[int], None]
    """Told the id of each process that is no more."""
    patience: float
    start_up: float
    workers: dict[int, Worker] = field(default_factory=dict)
    ends_at: float | None = None
    """When those that have not ended are killed; None while nobody is to end."""
    is_at_fault: bool = False
    answered: set[Work] = field(default_factory=set)
    """The works at which some worker answered once: what the user set for it is right, and what fails may go well."""

    def supervise(self) -> None:
        """Run until SIGINT or SIGTERM; SystemExit where one met a CineFeastError before any at its work has answered.

        Call it before anything heavy is imported and any thread runs: workers are forked.
        """
        self.life = os.pipe()
        for number in ENDING:
            signal.signal(number, lambda *_: self.end())
        for work in self.works:
            self.start(work)
        while self.workers:
            self.listen()
            self.kill_silent()
            for pid, code in ended_children():
                self.replace(self.workers.pop(pid), code)
        if self.is_at_fault:
            raise SystemExit(1)

    def start(self, work: Work) -> None:
        """A worker. No signal comes between its fork and its being known, or nobody would pass it on."""
        sys.stdout.flush()
        with held(ENDING):
            if self.ends_at is not None:
                return
            pulse, beat = os.pipe()
            pid = os.fork()
            if pid:
                os.close(beat)
                os.set_blocking(pulse, False)
                self.workers[pid] = Worker(pid, work, pulse, time.monotonic())
                return
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Ctrl-C reaches the whole group; the parent passes it on
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.set_blocking(beat, False)
        for other in (self.life[1], pulse, *(worker.pulse for worker in self.workers.values())):
            os.close(other)
        run(lambda: work(lambda: tell(beat)), self.life[0])

    def listen(self) -> None:
        """Wait up to a second for workers to tell that they answer."""
        heard, _, _ = select.select([worker.pulse for worker in self.workers.values()], [], [], 1.0)
        for worker in self.workers.values():
            if worker.pulse in heard and os.read(worker.pulse, 4096):
                worker.last = time.monotonic()
                self.answered.add(worker.work)
        if heard:
            time.sleep(0.1)  # the pipe of one that has died is heard at once, time and again

    def kill_silent(self) -> None:
        """Kill who answered once and does no longer, who never began to, and at the end who takes too long."""
        now = time.monotonic()
        for worker in self.workers.values():
            why = ""
            if worker.last is not None and now - worker.last > self.patience:
                why = f"was silent for {self.patience:.0f} s: killed"
            elif worker.last is None and now - worker.began > self.start_up:
                longer = f"export CINEFEAST_START_UP_TIMEOUT={2 * self.start_up:.0f}, if it only needs longer"
                why = f"was not ready after {self.start_up:.0f} s: killed; next: {longer}"
            if why and not worker.is_killed:
                print(f"worker {worker.pid} {why}", file=sys.stderr)
            if why or (self.ends_at is not None and now > self.ends_at):
                kill(worker, signal.SIGKILL)
                worker.is_killed = True

    def replace(self, worker: Worker, code: int) -> None:
        """Start another one in place of a worker that ended, unless all are to."""
        os.close(worker.pulse)
        self.ended(worker.pid)
        if code == FAULT and worker.work not in self.answered:
            self.is_at_fault = True
            self.end()
        elif self.ends_at is None:
            print(f"worker {worker.pid} ended ({code}): starting another", file=sys.stderr)
            time.sleep(LONG_PAUSE if code == FAULT else PAUSE)
            self.start(worker.work)

    def end(self) -> None:
        """Tell all workers to end; those that accept nothing yet need not be asked."""
        self.ends_at = self.ends_at or time.monotonic() + GRACE
        for worker in self.workers.values():
            kill(worker, signal.SIGTERM if worker.last is not None else signal.SIGKILL)


def kill(worker: Worker, number: signal.Signals) -> None:
    """Send the signal, unless the worker has ended a moment ago."""
    with suppress(ProcessLookupError):
        os.kill(worker.pid, number)


def ended_children() -> Iterator[tuple[int, int]]:
    """Process id and exit code of each child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


@contextmanager
def held(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """The signals come when this ends, in this process and in one that was forked meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
