"""The HTTP API: recommendations, health and metrics. Run as: cinefeast serve."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from serving.api.auth import Keys
from serving.api.hosts import AllowedHosts
from serving.api.middleware import ClientLimit, HeadAsGet, RequestLimit, SafeHeaders, WholeBody
from serving.api.problems import add_handlers
from serving.api.routes.events import add_events
from serving.api.routes.films import add_films
from serving.api.routes.health import add_health
from serving.api.routes.page import add_page
from serving.api.routes.recommendations import add_lists
from serving.api.routes.users import add_users
from serving.config import settings
from serving.pipeline.recommender import Recommender
from serving.runtime.service import Service
from serving.telemetry.deadlines import Stages
from serving.telemetry.logs import RequestLog

THREADS = 4
"""Requests that are worked on at a time, the others wait: more of them only hand the interpreter lock to and fro."""

MOST_AWAITED = 256
"""Bodies that are awaited at a time, of at most a megabyte each."""
BODY_SECONDS = 10.0


def create_app(
    host: str, load: Callable[[Stages], Recommender], done: Callable[[Service], None], is_warm_first: bool
) -> FastAPI:
    """The app on the address `host`. `done` is called when its warm-up ends: until then it answers /health/live, or
    nothing at all."""
    service = Service()
    keys = Keys(service.metrics)

    def warm_up() -> None:
        try:
            service.warm_up(load)
        except Exception as error:
            service.failure = error
        done(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        warming = threading.Thread(target=warm_up, name="warm-up", daemon=True)
        warming.start()
        if is_warm_first:
            await run_sync(warming.join)
        yield
        service.close()

    app = FastAPIOffline(
        redoc_url=None,
        title="CineFeast",
        version="1",
        description="Film recommendations from Feast's online features.",
        lifespan=lifespan,
    )
    app.state.service, app.state.keys = service, keys
    app.add_middleware(RequestLimit, most=settings().max_requests)
    app.add_middleware(WholeBody, most=MOST_AWAITED, seconds=BODY_SECONDS)
    app.add_middleware(ClientLimit, keys=keys)
    app.add_middleware(AllowedHosts, address=host)
    app.add_middleware(HeadAsGet)
    app.add_middleware(SafeHeaders)
    app.add_middleware(RequestLog)  # the last one added sees a request first
    add_handlers(app)
    for add in (add_health, add_page, add_lists, add_users, add_films):
        add(app, service)
    add_events(app, service, keys)
    return app
