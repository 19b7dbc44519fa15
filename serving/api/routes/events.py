"""Events in: ratings, watches, clicks and hides."""

import asyncio
from concurrent.futures import Future
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, FastAPI

from serving.api.auth import Keys, may_write
from serving.api.problems import responses
from serving.errors import NotFoundError
from serving.runtime.service import Service
from serving.schemas.events import Event, Events, Receipt

Writer = Annotated[str | None, Depends(may_write)]
LANES = 2
"""Requests with events that are looked at beside each other, in threads of their own: none takes one that answers."""


def add_events(app: FastAPI, service: Service, keys: Keys) -> None:
    """/v1/events and /v1/events/bulk."""
    problems = responses(401, 404, 410, 413, 429, 503)
    lanes = CapacityLimiter(LANES)

    def submit(events: list[Event]) -> "Future[Receipt]":
        films = service.recommender.films
        if unknown := sorted({event.movie_id for event in events if event.movie_id not in films}):
            raise NotFoundError(f"no film {', '.join(map(str, unknown[:10]))}; nothing was taken")
        return service.events.submit(events)

    async def take(key: str | None, events: list[Event]) -> Receipt:
        await keys.count_writes(key, len(events))
        submitted = await run_sync(submit, events, limiter=lanes)
        # a client that goes away takes nothing back: the events are written, and others share their file
        return await asyncio.shield(asyncio.wrap_future(submitted))

    @app.post("/v1/events", tags=["events"], summary="Take an event", status_code=202, responses=problems)
    async def event(key: Writer, event: Event) -> Receipt:
        """On disk when this answers, and known to the next recommendation where `online` is true."""
        return await take(key, [event])

    @app.post("/v1/events/bulk", tags=["events"], summary="Take events in bulk", status_code=202, responses=problems)
    async def bulk(key: Writer, events: Events) -> Receipt:
        """All are taken or none. An event whose id was accepted before counts as repeated, and changes nothing."""
        return await take(key, events.events)
