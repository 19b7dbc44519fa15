"""An HTTP server on loopback for the stubs of APIs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Quiet about clients that go away, as one that is killed does."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], stub: object) -> Iterator[str]:
    """The address at which `handler` answers out of `stub` while the block runs."""
    server = Server(("127.0.0.1", 0), type("StubHandler", (handler,), {"stub": stub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
