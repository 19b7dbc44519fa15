"""One rate for all requests, slower after the server said that it is too much."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiolimiter import AsyncLimiter

UNDER_WAY = 0.07
"""Seconds after which a request that left is taken to have reached the server, answered or not."""
BURST = 0.25
"""Seconds whose requests may leave at once, to make up for time that was lost."""
SLOWEST = 16
RECOVERS = 20
"""Good answers in a row after which the pace doubles again."""


class Turn:
    """Leave to send one request; it is given back a second after the request has reached the server for sure."""

    def __init__(self, permits: asyncio.Semaphore) -> None:
        self.began_at = time.monotonic()
        self._permits: asyncio.Semaphore | None = permits

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """httpx calls this as the request goes on (https://www.encode.io/httpcore/extensions/#trace)."""
        if event == "http11.send_request_body.complete":
            self.end_in(UNDER_WAY + 1)

    def end_in(self, seconds: float) -> None:
        """Give the turn back after so many seconds, unless it was given back before."""
        asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        if self._permits is not None:
            self._permits.release()
            self._permits = None


class Pace:
    """Turns for at most `limit` requests that reach the server in any second, whatever keeps them on their way.

    An answer tells that its request has arrived. Where it is late, up to 7% of the limit are lost to not knowing.
    The first request waits for a second, too: a run that was killed a moment ago may have used up that one.
    After a 429 a request takes twice as many steps of the pace, up to SLOWEST, and half as many after RECOVERS good
    answers.
    """

    def __init__(self, limit: float) -> None:
        self.steps = 1
        self._spread = AsyncLimiter(max(1.0, BURST * limit), max(1.0, BURST * limit) / limit)
        self._permits = asyncio.Semaphore(int(limit))
        self._queue = asyncio.Lock()
        self._slowed_at = time.monotonic()
        self._paused_until = self._slowed_at + UNDER_WAY + 1
        self._good = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for one's turn to send a request; the block ends with its answer."""
        async with self._queue:
            for _ in range(self.steps):
                await self._spread.acquire()
            await self._permits.acquire()
            while (pause := self._paused_until - time.monotonic()) > 0:
                await asyncio.sleep(pause)
        turn = Turn(self._permits)
        try:
            yield turn
        finally:
            turn.end_in(1)

    def too_many(self, turn: Turn, retry_after: float) -> None:
        """The request of that turn was answered 429: no request for `retry_after` seconds, and slower then.

        Requests that were under way when the pace was slowed say nothing about the new one.
        """
        self._paused_until = max(self._paused_until, time.monotonic() + retry_after)
        if turn.began_at >= self._slowed_at:
            self.steps = min(2 * self.steps, SLOWEST)
            self._slowed_at = time.monotonic()
        self._good = 0

    def good(self) -> None:
        """A request was answered as it should be."""
        self._good += 1
        if self.steps > 1 and self._good >= RECOVERS:
            self.steps, self._good = self.steps // 2, 0
