"""Who supervises workers goes on where one of them cannot start again yet."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path

import psutil
import pytest

from dbt_project.errors import CineFeastError
from serving.runtime import supervisor
from serving.runtime.supervisor import Supervisor
from serving.runtime.worker import Beat
from tests.serving.servers import wait_for

FORK = multiprocessing.get_context("fork")


class Workers:
    """Two workers that answer, unless a store is away when they start; what they stand for is told by files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_away = folder / "is_away"

    def work(self, beat: Beat) -> None:
        """Answer until the process is ended."""
        if self.is_away.exists():
            (self.folder / f"failed-{os.getpid()}").touch()
            raise CineFeastError("the store does not answer", "start it")
        (self.folder / f"answers-{os.getpid()}").touch()
        while True:
            beat()
            signal.sigtimedwait([], 0.1)

    def count(self, what: str) -> int:
        """How many processes came so far."""
        return len(list(self.folder.glob(f"{what}-*")))

    def other_work(self, beat: Beat) -> None:
        """Answer whatever is away, as the admin port does."""
        (self.folder / "other").touch()
        while True:
            beat()
            signal.sigtimedwait([], 0.1)

    def supervise(self) -> None:
        """Both of them."""
        Supervisor([self.work] * 2, lambda _: None, 60, 600).supervise()

    def supervise_with_another(self) -> None:
        """Both of them, a while after one with other work."""
        works = [self.other_work, *[self.when_the_other_answers] * 2]
        Supervisor(works, lambda _: None, 60, 600).supervise()

    def when_the_other_answers(self, beat: Beat) -> None:
        """Work once the other one has told that it answers."""
        wait_for((self.folder / "other").exists, "the other one answers")
        signal.sigtimedwait([], 2)
        self.work(beat)


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workers:
    monkeypatch.setattr(supervisor, "LONG_PAUSE", 0.1)
    return Workers(tmp_path)


def started(target: Callable[[], None]) -> ForkProcess:
    """The supervisor in a process of its own."""
    fork = FORK.Process(target=target)
    fork.start()
    return fork


def test_a_worker_that_cannot_start_again_yet_ends_no_other(workers: Workers) -> None:
    server = started(workers.supervise)
    wait_for(lambda: workers.count("answers") == 2, "both answer")
    first, other = psutil.Process(server.pid).children()
    workers.is_away.touch()
    first.kill()
    wait_for(lambda: workers.count("failed") > 2 or not server.is_alive(), "it is tried again")
    assert server.is_alive()
    assert other.is_running()
    workers.is_away.unlink()
    wait_for(lambda: workers.count("answers") == 3, "another one answers")
    server.terminate()
    server.join()
    assert server.exitcode == 0


@pytest.mark.parametrize("how", [Workers.supervise, Workers.supervise_with_another])
def test_what_no_worker_can_start_with_ends_the_server(workers: Workers, how: Callable[[Workers], None]) -> None:
    """Also while the admin port answers."""
    workers.is_away.touch()
    server = started(lambda: how(workers))
    server.join()
    assert server.exitcode == 1
    assert workers.count("answers") == 0
