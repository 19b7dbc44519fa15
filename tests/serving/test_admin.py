"""The admin port tells metrics and health whatever the event loop of the answers does."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.api.admin import create_admin
from serving.runtime.server import serve_alone
from serving.schemas.health import Served, WorkerState
from serving.telemetry.metrics import Metrics
from tests.serving.servers import answers, free_port, wait_for

SERVED = Served(catalogue_version="c", models_version="m", count_movies=3, refused=None)


class Fake:
    """An app whose event loop stands still from a GET of / until it is let go, and the server on it."""

    def __init__(self) -> None:
        self.let_go, self.is_warm = threading.Event(), False
        self.service = SimpleNamespace(metrics=Metrics(), failure=None, state=self.state)

    def state(self) -> WorkerState:
        return WorkerState(told_at=time.monotonic(), served=SERVED if self.is_warm else None)

    def create(self, *_: Any) -> Starlette:
        async def stand_still(request: Request) -> PlainTextResponse:
            self.let_go.wait()
            return PlainTextResponse("goes on")

        async def live(request: Request) -> PlainTextResponse:
            return PlainTextResponse("live")

        app = Starlette(routes=[Route("/", stand_still), Route("/health/live", live)])
        app.state.service = self.service
        return app


@contextmanager
def clients(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Clients of the server's two ports. Its main part runs in a thread, so no signal is set."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    servers: list[Any] = []
    monkeypatch.setattr("serving.runtime.protocol.BeatingServer.serve", started(servers))
    ports = free_port(), free_port()
    with socket.create_server(("127.0.0.1", ports[0])) as one, socket.create_server(("127.0.0.1", ports[1])) as other:
        arguments = (fake.create, create_admin, one, other, "http://here")
        thread = threading.Thread(target=serve_alone, args=arguments)
        thread.start()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        with httpx.Client(base_url=urls[0], timeout=2) as client, httpx.Client(base_url=urls[1]) as admin:
            wait_for(lambda: answers(client, "/health/live") and answers(admin, "/metrics"), "both ports answer")
            yield client, admin
        fake.let_go.set()
        for server in servers:
            server.should_exit = True
        thread.join()


def started(servers: list[Any]) -> Any:
    """`serve` of a server, which is noted."""
    from serving.runtime.protocol import BeatingServer

    serve = BeatingServer.serve

    async def noted(self: Any, sockets: Any = None) -> None:
        servers.append(self)
        await serve(self, sockets)

    return noted


def test_a_loop_that_stands_still_holds_no_metrics_off_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_WORKER_TIMEOUT", "2")
    fake = Fake()
    with clients(fake, monkeypatch) as (client, admin):
        waiting = admin.get("/health/ready")
        assert (waiting.status_code, waiting.json()["type"]) == (503, "urn:cinefeast:problem:not-ready")
        assert waiting.headers["Retry-After"] == "1"
        fake.is_warm = True
        wait_for(lambda: answers(admin, "/health/ready"), "it is ready")
        assert admin.get("/health/ready").json() == {"status": "ready", "workers": [SERVED.model_dump()]}
        assert admin.get("/health/live").json() == {"status": "live"}

        still = threading.Thread(target=lambda: httpx.get(client.base_url, timeout=60))
        still.start()
        wait_for(lambda: not answers(client, "/health/live"), "the loop of the answers stands still")
        fake.service.metrics.degraded.labels("meanwhile").inc()
        assert 'cinefeast_degraded_answers_total{stage="meanwhile"} 1.0' in admin.get("/metrics").text
        wait_for(lambda: not answers(admin, "/health/live"), "the admin port tells it")
        for path in ("/health/live", "/health/ready"):
            told = admin.get(path)
            assert (told.status_code, told.json()["type"]) == (503, "urn:cinefeast:problem:standing-still")
            assert "2 s" in told.json()["detail"]
        assert admin.get("/metrics").status_code == 200

        fake.let_go.set()
        still.join()
        wait_for(lambda: answers(admin, "/health/ready"), "it is over when the loop turns again")


def test_the_admin_port_answers_as_the_other_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with clients(Fake(), monkeypatch) as (_, admin):
        for path in ("/metrics", "/nowhere", "/v1/popular"):
            answer = admin.get(path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert admin.head(path).status_code == answer.status_code
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["next"] == "ask for /health/live, /health/ready or /metrics"
