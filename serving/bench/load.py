"""Clients that ask as fast as they are answered."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

COMPLETE = b'"degraded":[]'


@dataclass(frozen=True)
class Load:
    """What came of a load."""

    at: np.ndarray
    """(n,) seconds from the start to each answer."""
    spent: np.ndarray
    """(n,) seconds that it took."""
    wall: float
    """Seconds of all together."""
    failed: int
    """Answers that were no 200; they are not in `spent`."""
    degraded: int
    """Answers of 200 that something was missing in."""

    def quantiles(self) -> dict[str, float]:
        """p50_ms and p99_ms; NaN without answers."""
        if not len(self.spent):
            return {"p50_ms": float("nan"), "p99_ms": float("nan")}
        return {f"p{q}_ms": round(float(np.percentile(self.spent, q)) * 1000, 1) for q in (50, 99)}

    def part(self, rows: np.ndarray) -> "Load":
        """Some of the answers."""
        return replace(self, at=self.at[rows], spent=self.spent[rows])

    @classmethod
    def joined(cls, loads: "list[Load]") -> "Load":
        """One after the other."""
        before = np.cumsum([0.0, *(one.wall for one in loads)])
        return cls(
            np.concatenate([one.at + start for one, start in zip(loads, before[:-1], strict=True)]),
            np.concatenate([one.spent for one in loads]),
            float(before[-1]),
            sum(one.failed for one in loads),
            sum(one.degraded for one in loads),
        )


def load(address: str, path: Callable[[int], str], users: list[int], clients: int, seconds: float) -> Load:
    """So many clients for so many seconds, each asking for the next user as soon as it is answered."""
    answers: list[tuple[float, float, bool, bool]] = []
    began = time.perf_counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        turn = number
        while (asked := time.perf_counter()) - began < seconds:
            connection.request("GET", path(users[turn % len(users)]))
            answer = connection.getresponse()
            body = answer.read()
            now = time.perf_counter()
            answers.append((now - began, now - asked, answer.status == 200, COMPLETE in body))
            turn += clients
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    rows = np.array(answers, float).reshape(-1, 4)
    good = rows[rows[:, 2] > 0]
    return Load(good[:, 0], good[:, 1], wall, len(rows) - len(good), int((good[:, 3] == 0).sum()))
