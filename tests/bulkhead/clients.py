"""Clients of the worst day: eight that read, two that send single events, one that sends a thousand at a time."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.bulkhead.setup import ANSWERS_WITHIN, DOCUMENTED_503, WRITE_KEY, Server

KINDS = ("rating", "rating", "rating", "watch", "click", "hide")
FIRST_USER = 50_000
USERS_EACH = 10_000
REST = 0.1
"""Seconds between two requests of a reader."""


@dataclass
class Seen:
    """What clients met. Each list is appended to by several threads."""

    reads: list[tuple[float, float]] = field(default_factory=list)
    """When each read began, by time.monotonic(), and how many seconds it took, however it ended."""
    degraded: list[float] = field(default_factory=list)
    """When each answer was there that lacked something."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """Requests without an answer."""
    wrong: list[str] = field(default_factory=list)
    """Answers that nothing documents."""
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """Events of which the server said that it has them."""


class Client(threading.Thread):
    """Asks one thing after the other on a connection that stays open, until told to stop."""

    def __init__(self, server: Server, seen: Seen, is_over: threading.Event, number: int) -> None:
        super().__init__(daemon=True)
        self.server, self.seen, self.is_over, self.number = server, seen, is_over, number
        self.random = random.Random(number)
        self._connection = self._connected()

    def _connected(self) -> HTTPConnection:
        return HTTPConnection(self.server.host, self.server.port, timeout=ANSWERS_WITHIN)

    def ask(self, what: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the answer; (0, why) where there is none."""
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, sent, {"Content-Type": "application/json", **WRITE_KEY})
            response = self._connection.getresponse()
            status, text = response.status, response.read()
            answer = json.loads(text)
        except (OSError, HTTPException, ValueError) as error:
            self.seen.broken.append(f"{what} {path}: {error!r}")
            self._connection.close()
            self._connection = self._connected()
            return 0, str(error)
        self.seen.statuses[what, status] += 1
        is_told = status == 503 and response.getheader("Retry-After")
        if status >= 500 and not (is_told and answer["type"].rpartition(":")[2] in DOCUMENTED_503):
            self.seen.wrong.append(f"{status} {path}: {text[:300]!r}")
        return status, answer


class Reader(Client):
    """Lists of known users most of the time, else charts, likeness and features."""

    def __init__(self, server: Server, seen: Seen, is_over: threading.Event, number: int, users: int) -> None:
        super().__init__(server, seen, is_over, number)
        self.users, self.film = users, 1

    def run(self) -> None:
        """Until told to stop."""
        while not self.is_over.is_set():
            began = time.monotonic()
            status, answer = self.ask("read", "GET", self.path())
            self.seen.reads.append((began, time.monotonic() - began))
            if status == 200 and answer.get("items"):
                self.film = answer["items"][0]["movie_id"]
            if status == 200 and answer.get("degraded"):
                self.seen.degraded.append(time.monotonic())
            time.sleep(REST)

    def path(self) -> str:
        """What is asked next."""
        user = 1 + self.random.randrange(self.users)
        return self.random.choices(
            [
                f"/v1/users/{user}/recommendations",
                "/v1/popular",
                f"/v1/trending?user_id={user}",
                f"/v1/films/{self.film}/similar",
                f"/v1/users/{user}/features",
            ],
            [8, 1, 1, 1, 1],
        )[0]


class Sender(Client):
    """Sends events, no film of a user twice, and those that were not acknowledged again until they are."""

    many = 1
    """Events of a request."""
    rest = 0.1
    """Seconds after one that was taken."""

    def __init__(self, server: Server, seen: Seen, is_over: threading.Event, number: int, films: list[int]) -> None:
        super().__init__(server, seen, is_over, number)
        self.films = films
        self.users: set[int] = set()
        self._events = self._made()

    def run(self) -> None:
        """Until told to stop."""
        batch: list[dict[str, Any]] = []
        while not self.is_over.is_set():
            batch = batch or [next(self._events) for _ in range(self.many)]
            path, body = ("/v1/events", batch[0]) if self.many == 1 else ("/v1/events/bulk", {"events": batch})
            status, answer = self.ask("send", "POST", path, body)
            if status == 202:
                self.seen.acknowledged += batch
            elif status == 422 and "future" not in answer["detail"]:
                self.seen.wrong.append(f"422: {answer['detail'][:300]}")
            # what the clock of a moment ago refused is made anew, what was not taken is sent again
            batch = [] if status in (202, 422) else batch
            time.sleep(self.rest if status == 202 else 0.5)

    def _made(self) -> Iterator[dict[str, Any]]:
        first = FIRST_USER + self.number * USERS_EACH
        for user in range(first, first + USERS_EACH):
            self.users.add(user)
            for film in self.films:
                kind = self.random.choice(KINDS)
                event = {
                    "event_id": f"{user}-{film}",
                    "kind": kind,
                    "user_id": user,
                    "movie_id": film,
                    "occurred_at": datetime.now(UTC).replace(microsecond=0).isoformat(),
                }
                yield event | ({"rating": self.random.randrange(1, 11) / 2} if kind == "rating" else {})


class BulkSender(Sender):
    """A thousand at a time."""

    many, rest = 1000, 1.0
