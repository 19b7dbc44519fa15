"""Strangers who send half a body and wait."""

import socket
import threading
from contextlib import ExitStack, suppress

from tests.bulkhead.setup import SLOW_BODIES, Server

HALF = b"POST /v1/recommendations HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n{"
ROUND = 5.0
"""Seconds after which all begin anew."""


class SlowBodies(threading.Thread):
    """As many connections as a worker would not await, each with half a body, again and again until told to stop."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.is_over, self.sent = server, threading.Event(), 0

    def run(self) -> None:
        """Until told to stop."""
        while not self.is_over.is_set():
            with ExitStack() as held:
                for _ in range(SLOW_BODIES):
                    with suppress(OSError):
                        one = socket.create_connection((self.server.host, self.server.port), timeout=1.0)
                        held.enter_context(one).sendall(HALF)
                        self.sent += 1
                self.is_over.wait(ROUND)
