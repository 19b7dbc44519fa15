"""What clients have used of their limits: in Redis, for all workers, where it is the online store, else in each."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from serving.config import REDIS, text_of
from serving.features.reader import ONLINE_ERRORS

MOST = 100_000
"""Keys that are counted at a time in a worker."""
PATIENCE = 0.1
"""Seconds that a request waits for Redis before it is counted in its worker alone."""
REST = 1.0
"""Seconds that Redis is left alone after it did not answer."""
ADD = """
local count, left = redis.call('INCRBY', KEYS[1], ARGV[1]), redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
end
return {count, left}
"""
"""Redis ends a window by its own clock, and forgets it."""


class Windows(Protocol):
    """Counts by key, each forgotten when its window is over."""

    async def add(self, key: str, seconds: int, amount: int) -> tuple[int, float]:
        """Count so much more in the key's window, which begins now and lasts so long if there is none: what the window
        has then, and the seconds until it is over."""


class InProcess:
    """In this worker's memory, for one thread, the event loop's. The library's own starts a thread with each request.

    By the monotonic clock, which nobody sets. Of more than MOST keys the oldest are forgotten early.
    """

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, float]] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._counts)

    async def add(self, key: str, seconds: int, amount: int) -> tuple[int, float]:
        """See Windows."""
        now = time.monotonic()
        if now - self._swept >= seconds:
            self._counts = {key: held for key, held in self._counts.items() if held[1] > now}
            self._swept = now
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + seconds
        if len(self._counts) >= MOST and key not in self._counts:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = count + amount, until
        return count + amount, until - now


class InRedis:
    """For all workers and servers on one Redis. While it does not answer, each worker counts alone, which `alone` is
    told, and no request waits longer than PATIENCE."""

    def __init__(self, address: str, alone: Callable[[], None]) -> None:
        self._address = f"{address},socket_timeout={PATIENCE},socket_connect_timeout={PATIENCE},retry=null"
        self._alone = alone
        self._client: Any = None
        self._own = InProcess()
        self._rests_until = 0.0

    async def add(self, key: str, seconds: int, amount: int) -> tuple[int, float]:
        """See Windows."""
        if time.monotonic() >= self._rests_until:
            try:
                async with asyncio.timeout(PATIENCE):
                    count, left = await (await self._asked()).eval(ADD, 1, key, amount, 1000 * seconds)
                return count, left / 1000
            except ONLINE_ERRORS:  # a TimeoutError, too, is an OSError
                self._rests_until = time.monotonic() + REST
        self._alone()
        return await self._own.add(key, seconds, amount)

    async def _asked(self) -> Any:
        """The client, which belongs to the event loop that asks first."""
        if self._client is None:
            from feature_repo.online_store.redis import async_client_of

            self._client = await async_client_of(self._address)
        return self._client


def windows(alone: Callable[[], None]) -> Windows:
    """In Redis where there is one."""
    address = text_of(REDIS)
    return InRedis(address, alone) if address else InProcess()
