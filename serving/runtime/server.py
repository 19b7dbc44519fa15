"""`cinefeast serve`: bind the port, warm up, answer until stopped."""

import errno
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from prometheus_client.multiprocess import mark_process_dead

from dbt_project.errors import CineFeastError
from serving.config import export, settings, unknown
from serving.features.reader import check_built
from serving.keys import KeyRing
from serving.runtime.supervisor import Beat, Supervisor
from serving.telemetry.metrics import share_between_workers

if TYPE_CHECKING:
    from serving.pipeline.recommender import Recommender
    from serving.runtime.service import Service
    from serving.telemetry.deadlines import Stages


AppFactory = Callable[[Callable[["Stages"], "Recommender"], Callable[["Service"], None], bool], Any]
"""Makes the ASGI app of what loads a recommender, what is to be told once the warm-up has ended, and whether it takes
no request before."""


def serve(create_app: AppFactory, host: str, port: int, workers: int = 1, may_be_open: bool = False) -> None:
    """Serve with so many processes until SIGINT or SIGTERM. The URL is printed when one can give the first answer.

    `may_be_open`: answers about users may need no key on another address than loopback.

    Workers are forked, so `create_app` imports what is heavy when it is called, not before.

    Raises CineFeastError when a setting is wrong, the address would be open without having been asked for, or the port
    is taken, or when the warm-up finds a step that has not run.
    """
    settings()  # what is wrong is told once, by no worker
    for line in unknown():
        print(f"warning: {line}; next: cinefeast settings", file=sys.stderr)
    is_open = check_reach(host, may_be_open)
    check_built()
    with listen(host, port) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        if is_open:
            print(
                f"open: whoever reaches {url} is told what any user watched; CINEFEAST_READ_KEYS closes that",
                flush=True,
            )
        if workers == 1:
            signal.signal(signal.SIGTERM, end)  # uvicorn raises it again when it has ended
            run(create_app, listener, url)
        else:
            with tempfile.TemporaryDirectory(prefix="cinefeast-metrics-") as folder:

                def work(beat: Beat) -> None:
                    share_between_workers(folder)
                    run(create_app, listener, url, beat)

                patience = settings().worker_timeout
                Supervisor(work, lambda child: mark_process_dead(child, folder), patience).supervise(workers)


def end(*_: object) -> None:
    """End as one that did what it was told, at once: nothing is left to do, whichever thread still loads."""
    sys.stdout.flush()
    os._exit(0)


def check_reach(host: str, may_be_open: bool) -> bool:
    """Whether answers about users need no key; CineFeastError where that is not as it was asked for."""
    is_open = KeyRing().is_open
    if may_be_open and not is_open:
        raise CineFeastError("--open is given, and a read key is set, which closes", "cinefeast serve without --open")
    if is_open and not may_be_open and not is_loopback(host):
        raise CineFeastError(
            f"without a read key whoever reaches {host} is told what any user watched",
            f"{export('CINEFEAST_READ_KEYS')}, or add --open if that is wanted",
        )
    return is_open


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches it, by every address that it has."""
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)}
    except OSError:
        return False
    return all(ip_address(address.partition("%")[0]).is_loopback for address in found)


def listen(host: str, port: int) -> socket.socket:
    """The bound socket. Taken before the models load: a port in use is told at once."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Without this a second server could bind too and fail only later.
        listener.listen(128)
    except OSError as error:
        listener.close()
        used = error.errno == errno.EADDRINUSE
        why = f"port {port} on {host} is in use" if used else f"cannot listen on {host} port {port}: {error}"
        raise CineFeastError(why, f"cinefeast serve --port {port + 1 if port < 65535 else port - 1}") from None
    return listener


def run(create_app: AppFactory, listener: socket.socket, url: str, beat: Beat | None = None) -> None:
    """Run the app on the socket; a warm-up that fails ends the server and is raised here.

    With `beat`, which is called each second, others accept on the socket, too: then no request is taken before the
    warm-up has ended. Alone it answers /health/live at once.
    """
    import uvicorn

    from serving.runtime.protocol import BeatingServer, BoundedProtocol
    from serving.telemetry.logs import log_as_json

    def done(service: "Service") -> None:
        if service.failure:
            server.should_exit = True
        else:
            movies = service.recommender.catalogue.table.num_rows
            print(f"ready: {url} ({movies} films; try {url}/docs)", flush=True)

    log_as_json()
    app = create_app(load_on_one_thread, done, beat is not None)
    proxies = settings().proxies
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, log_config=None, timeout_graceful_shutdown=10, http=BoundedProtocol,
        proxy_headers=bool(proxies), forwarded_allow_ips=proxies or None,
    )  # fmt: skip
    server = BeatingServer(config, beat) if beat else uvicorn.Server(config)
    print("warming up" if beat else f"warming up: live at {url}/health/live", flush=True)
    server.run(sockets=[listener])
    if app.state.service.failure:
        raise app.state.service.failure


def load_on_one_thread(stages: "Stages") -> "Recommender":
    """Load with one Torch thread: requests run beside each other, a thread each."""
    import torch

    from serving.runtime.loader import load_recommender

    torch.set_num_threads(1)
    return load_recommender(stages)
