"""uvicorn with a pulse, and with bounds on a header, which it waits for without end and keeps whatever its size."""

import asyncio

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.runtime.worker import Beat

HEADER_SECONDS = 10.0
"""From a connection's start, or the first byte of a later request, to the end of its header."""
HEADER_BYTES = 65_536
REST_SECONDS = 10.0
"""From a header's end to that of the request, a body and what follows its chunks included."""
ENDED = b"\r\ncontent-length: 0\r\nconnection: close\r\nx-content-type-options: nosniff\r\n\r\n"
TOO_SLOW, TOO_LARGE = b"408 Request Timeout", b"431 Request Header Fields Too Large"


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose header is too slow (408) or too large (431), or the rest of whose request is too slow."""

    _deadline: asyncio.TimerHandle | None = None
    """Of what is awaited of a request; None while there is nothing."""
    _read = 0
    """Bytes since the last header or part of a body: of a header, or of what follows a body in chunks."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first header."""
        super().connection_made(transport)
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._await_none()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came; end the connection where a header has become too large."""
        self._read += len(data)
        super().data_received(data)
        if self._read > HEADER_BYTES:
            self._end(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A header has begun."""
        super().on_message_begin()
        if not self._deadline:
            self._await_header()

    def on_headers_complete(self) -> None:
        """It has ended; await the rest of the request."""
        self._await_none()
        self._read = 0
        self._await_rest()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Nothing of it is awaited any more."""
        self._await_none()
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """What came was no header."""
        self._read = 0
        super().on_body(body)

    def _await_header(self) -> None:
        self._read = 0
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._end, TOO_SLOW)

    def _await_none(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _await_rest(self) -> None:
        self._deadline = self.loop.call_later(REST_SECONDS, self._leave)

    def _leave(self) -> None:
        """Close, once the app has answered: it waits for a body no longer than this, and says so itself."""
        if self.cycle and not self.cycle.response_complete:
            self._await_rest()
        else:
            self._deadline = None
            self.transport.close()

    def _end(self, status: bytes) -> None:
        self._await_none()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + ENDED)
            self.transport.close()


class BeatingServer(uvicorn.Server):
    """Calls `beat` each second from its event loop: counted by ticks, as uvicorn's own notice goes by the wall clock,
    and a worker of a machine whose clock is set back would be taken for one that hangs."""

    def __init__(self, config: uvicorn.Config, beat: Beat) -> None:
        super().__init__(config)
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            self._beat()
        return await super().on_tick(counter)
