"""`cinefeast serve`: bind the port, warm up, answer until stopped."""

import os
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client.multiprocess import mark_process_dead

from dbt_project.errors import CineFeastError
from serving.config import export, settings, unknown
from serving.features.reader import check_built
from serving.keys import KeyRing
from serving.runtime.admin import admin_beside, listen_for_admin, run_admin
from serving.runtime.listener import EVERY_ADDRESS, is_loopback, listen, url_of
from serving.runtime.states import States
from serving.runtime.supervisor import Supervisor
from serving.runtime.worker import Beat
from serving.schemas.health import WorkerState
from serving.telemetry.metrics import share_between_workers, text_of_all

if TYPE_CHECKING:
    from serving.pipeline.recommender import Recommender
    from serving.runtime.service import Service
    from serving.telemetry.deadlines import Stages


AppFactory = Callable[[str, Callable[["Stages"], "Recommender"], Callable[["Service"], None], bool], Any]
"""Makes the ASGI app of the address, what loads a recommender, what is to be told once the warm-up has ended, and
whether it takes no request before."""
AdminFactory = Callable[[Callable[[], list[WorkerState]], Callable[[], bytes]], Any]
"""Makes the ASGI app of the admin port of what tells the states of the workers and all that they count."""


def serve(
    create_app: AppFactory,
    create_admin: AdminFactory,
    host: str,
    port: int,
    workers: int = 1,
    may_be_open: bool = False,
) -> None:
    """Serve with so many processes until SIGINT or SIGTERM. The URL is printed when one can give the first answer.

    `may_be_open`: answers about users may need no key on another address than loopback.

    Workers are forked, so `create_app` and `create_admin` import what is heavy when they are called, not before.

    Raises CineFeastError when a setting is wrong, the address would be open without having been asked for, or a port
    is taken, or when the warm-up finds a step that has not run.
    """
    given = settings()  # what is wrong is told once, by no worker
    for line in unknown():
        print(f"warning: {line}; next: cinefeast settings", file=sys.stderr)
    is_open = check_reach(host, may_be_open)
    check_built()
    with listen(host, port, "cinefeast serve --port {}") as listener, listen_for_admin() as admin:
        url, served = url_of(host, listener), partial(create_app, host)
        print(f"metrics and health of every worker: {url_of(given.admin_host, admin)}/metrics", flush=True)
        if not (given.allowed_hosts or is_loopback(host)):
            own = "" if host in EVERY_ADDRESS else f" and {host}"
            print(f"known as localhost{own} alone; next: {export('CINEFEAST_ALLOWED_HOSTS')}", flush=True)
        if is_open:
            print(
                f"open: whoever reaches {url} is told what any user watched; CINEFEAST_READ_KEYS closes that",
                flush=True,
            )
        if workers == 1:
            serve_alone(served, create_admin, listener, admin, url)
        else:
            serve_beside(workers, served, create_admin, listener, admin, url)


def serve_alone(
    create_app: Callable[..., Any],
    create_admin: AdminFactory,
    listener: socket.socket,
    admin: socket.socket,
    url: str,
) -> None:
    """One process for all; the admin port is answered by a thread of it."""
    last: deque[WorkerState] = deque(maxlen=1)

    def beside(service: "Service") -> AbstractContextManager[None]:
        return admin_beside(create_admin(lambda: [*last], service.metrics.text), admin)

    signal.signal(signal.SIGTERM, end)  # uvicorn raises it again when it has ended
    run(create_app, listener, url, last.append, is_alone=True, beside=beside)


def serve_beside(
    workers: int,
    create_app: Callable[..., Any],
    create_admin: AdminFactory,
    listener: socket.socket,
    admin: socket.socket,
    url: str,
) -> None:
    """So many processes on one socket, and another one for the admin port."""
    with tempfile.TemporaryDirectory(prefix="cinefeast-metrics-") as folder:
        states = States(folder)

        def work(beat: Beat) -> None:
            def tell(state: WorkerState) -> None:
                with suppress(OSError):  # a disk that is full: it answers all the same
                    states.tell(state)
                beat()

            share_between_workers(folder)
            run(create_app, listener, url, tell, is_alone=False)

        def administer(beat: Beat) -> None:
            app = create_admin(states.all, lambda: text_of_all(folder, versions(states.all())))
            run_admin(app, admin, beat)

        def ended(child: int) -> None:
            mark_process_dead(child, folder)
            states.forget(child)

        given = settings()
        works: list[Callable[[Beat], None]] = [*[work] * workers, administer]
        Supervisor(works, ended, given.worker_timeout, given.start_up_timeout).supervise()


def versions(states: list[WorkerState]) -> set[tuple[str, str]]:
    """Models and catalogue of workers that are warm."""
    return {(one.served.models_version, one.served.catalogue_version) for one in states if one.served}


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


def run(
    create_app: Callable[..., Any],
    listener: socket.socket,
    url: str,
    tell: Callable[[WorkerState], None],
    is_alone: bool,
    beside: Callable[["Service"], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Run the app on the socket, and what is `beside` it; a warm-up that fails ends the server and is raised here.

    `tell` is called each second from the event loop. Where others accept on the socket, too, no request is taken before
    the warm-up has ended. Alone it answers /health/live at once.
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
    app = create_app(load_on_one_thread, done, not is_alone)
    service = app.state.service
    proxies = settings().proxies
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, log_config=None, timeout_graceful_shutdown=10, http=BoundedProtocol,
        proxy_headers=bool(proxies), forwarded_allow_ips=proxies or None,
    )  # fmt: skip
    server = BeatingServer(config, lambda: tell(service.state()))
    print(f"warming up: live at {url}/health/live" if is_alone else "warming up", flush=True)
    with beside(service):
        server.run(sockets=[listener])
    if service.failure:
        raise service.failure


def load_on_one_thread(stages: "Stages") -> "Recommender":
    """Load with one Torch thread: requests run beside each other, a thread each."""
    import torch

    from serving.runtime.loader import load_recommender

    torch.set_num_threads(1)
    return load_recommender(stages)
