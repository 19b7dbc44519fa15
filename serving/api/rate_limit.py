"""Where the rate limit on reading counts. The library's own storage in memory starts a thread with each request."""

import time

from limits.storage import Storage

MOST = 100_000
"""Keys that are counted at a time."""


class Windows(Storage):
    """Counts by key, each forgotten when its window is over. For one thread, the event loop's.

    By the monotonic clock, which nobody sets. Of more than MOST keys the oldest are forgotten early.
    """

    base_exceptions = ()

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._counts)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` more in the key's window, which begins now if there is none; `expiry` is its seconds."""
        now = time.monotonic()
        if now - self._swept >= expiry:
            self._counts = {key: held for key, held in self._counts.items() if held[1] > now}
            self._swept = now
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        if len(self._counts) >= MOST and key not in self._counts:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = count + amount, until
        return count + amount

    def get(self, key: str) -> int:
        """What was counted."""
        return self._counts.get(key, (0, 0.0))[0]

    def get_expiry(self, key: str) -> float:
        """When the key's window is over."""
        return self._counts.get(key, (0, time.monotonic()))[1]

    def check(self) -> bool:
        """It can be used."""
        return True

    def reset(self) -> int:
        """Forget all; how many there were."""
        count, self._counts = len(self), {}
        return count

    def clear(self, key: str) -> None:
        """Forget one."""
        self._counts.pop(key, None)
