"""The admin port: its own socket and event loop, in a thread of a server that is one process, else in a process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from serving.config import settings
from serving.runtime.listener import listen
from serving.runtime.worker import Beat

if TYPE_CHECKING:
    import uvicorn


def listen_for_admin() -> socket.socket:
    """The bound socket; CineFeastError where its port is taken."""
    given = settings()
    return listen(given.admin_host, given.admin_port, "export CINEFEAST_ADMIN_PORT={}")


def run_admin(app: Any, listener: socket.socket, beat: Beat) -> None:
    """Answer until a signal, as a process of its own that tells its parent so."""
    from serving.telemetry.logs import log_as_json

    log_as_json()
    admin_server(app, beat).run(sockets=[listener])


@contextmanager
def admin_beside(app: Any, listener: socket.socket) -> Iterator[None]:
    """Answer in a thread while the block runs."""
    server = admin_server(app, lambda: None)
    thread = threading.Thread(target=server.run, args=([listener],), name="admin", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def admin_server(app: Any, beat: Beat) -> "uvicorn.Server":
    """What answers with the app, which has nothing to set up."""
    import uvicorn

    from serving.runtime.protocol import BeatingServer, BoundedProtocol

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, log_config=None, timeout_graceful_shutdown=1, http=BoundedProtocol,
        proxy_headers=False, lifespan="off",
    )  # fmt: skip
    return BeatingServer(config, beat)
