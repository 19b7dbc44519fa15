"""What goes wrong on the worst day, and when."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bulkhead import setup
from tests.bulkhead.clock import Clock
from tests.bulkhead.disk import Disk
from tests.bulkhead.setup import Server
from tests.bulkhead.slow import SlowBodies
from tests.conftest import OnRedis
from tests.serving.servers import wait_for

HOUR = 3600
DAY = (
    (0.00, "slow_bodies_come"),
    (0.05, "redis_dies"),
    (0.10, "disk_fills"),
    (0.15, "redis_returns"),
    (0.20, "disk_has_room"),
    (0.22, "ledger_is_damaged"),
    (0.25, "worker_hangs"),
    (0.30, "clock_goes_ahead"),
    (0.35, "clock_goes_behind"),
    (0.40, "clock_is_right"),
    (0.55, "both_workers_answer"),
    # and all of it at once
    (0.60, "redis_dies"),
    (0.60, "disk_fills"),
    (0.60, "ledger_is_damaged"),
    (0.60, "worker_hangs"),
    (0.60, "clock_goes_ahead"),
    (0.85, "clock_is_right"),
    (0.90, "redis_returns"),
    (0.95, "disk_has_room"),
    (1.00, "slow_bodies_end"),
)
"""By the share of the time of faults that has passed, but for what is waited for."""


@dataclass
class Faults:
    """Does each of them to a server and what it stands on."""

    server: Server
    on_redis: OnRedis
    disk: Disk
    clock: Clock
    tell: Callable[[str], None]
    hung: list[int] = field(default_factory=list)
    """Workers that were stopped."""

    def __post_init__(self) -> None:
        self.slow = SlowBodies(self.server)

    def happen(self, seconds: float) -> None:
        """All of DAY within so many seconds."""
        began, now = time.monotonic(), 0.0
        for share, name in DAY:
            time.sleep((share - now) * seconds)
            now = share
            self.tell(f"{time.monotonic() - began:5.1f} s {name.replace('_', ' ')}")
            getattr(self, name)()

    def slow_bodies_come(self) -> None:
        """From now on, until they end."""
        self.slow.start()

    def slow_bodies_end(self) -> None:
        """They let go of their connections."""
        self.slow.is_over.set()
        self.slow.join()

    def redis_dies(self) -> None:
        """Killed at once, as by the kernel."""
        self.on_redis.server.process.kill()
        self.on_redis.server.process.wait()

    def redis_returns(self) -> None:
        """With what its log of commands has."""
        self.on_redis.server.start()

    def disk_fills(self) -> None:
        """No write of an event goes through."""
        self.disk.fill(self.server)

    def disk_has_room(self) -> None:
        """Writes go through again."""
        self.disk.free(self.server)

    def ledger_is_damaged(self) -> None:
        """All of it is overwritten while the workers have it open, and what SQLite has not put into it yet."""
        for name in ("accepted.db", "accepted.db-wal"):
            with (self.server.root / "raw" / "events" / name).open("r+b") as file:
                size = file.seek(0, 2)
                file.seek(0)
                file.write(b"\xa5" * size)

    def worker_hangs(self) -> None:
        """One is stopped, as by a debugger or a disk that never comes back."""
        one = self.server.workers()[0]
        one.suspend()
        self.hung.append(one.pid)

    def both_workers_answer(self) -> None:
        """Again, or one that hangs would be all there is."""
        count = 2 + len(self.hung)
        wait_for(lambda: self.server.warmed() >= count, "the next worker", setup.RECOVERED_WITHIN)

    def clock_goes_ahead(self) -> None:
        """By an hour."""
        self.clock.step(HOUR)

    def clock_goes_behind(self) -> None:
        """By an hour against the real time, by two against that of before."""
        self.clock.step(-HOUR)

    def clock_is_right(self) -> None:
        """Again."""
        self.clock.step(0)
