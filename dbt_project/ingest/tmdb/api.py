"""TMDb's API as the collector uses it: one film, and the list of films that changed.

https://developer.themoviedb.org/reference/movie-details and /reference/changes-movie-list
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import httpx

from dbt_project.errors import CineFeastError
from dbt_project.ingest.keys import api_key
from dbt_project.ingest.retries import TransientError, message, read_json, retry_after, retrying
from dbt_project.ingest.tmdb.answers import FilmAnswer, iso_time
from dbt_project.ingest.tmdb.pace import Pace

URL = "https://api.themoviedb.org"
IN_FLIGHT = 50
TIMEOUT = 30.0
KEPT = 1000
"""Characters kept of an answer that is no document."""
CHANGES_DAYS = 14
"""TMDb's change list covers this many days a request."""
SET = "export TMDB_TOKEN=... (or TMDB_API_KEY=...) from https://www.themoviedb.org/settings/api, then cinefeast collect"


class Tmdb:
    """Requests to TMDb, all at one pace."""

    def __init__(self, client: httpx.AsyncClient, pace: Pace) -> None:
        self.client = client
        self.pace = pace

    async def film(self, tmdb_id: int, etag: str | None) -> FilmAnswer:
        """What TMDb says of a film; `etag` is that of the document we have. Raises CineFeastError on 401 and 403."""
        tries = 0
        try:
            async for attempt in retrying():
                with attempt:
                    tries += 1
                    return await self._film(tmdb_id, etag, tries)
        except TransientError as gone:
            status = "failed" if gone.text is None else "rejected"
            text = gone.text and gone.text[:KEPT]
            return FilmAnswer(tmdb_id, status, None, tries, iso_time(), str(gone), text)  # type: ignore[arg-type]
        raise AssertionError("tenacity ends in a return or a raise")

    async def _film(self, tmdb_id: int, etag: str | None, tries: int) -> FilmAnswer:
        response = await self._get(
            f"/3/movie/{tmdb_id}", {"append_to_response": "credits,keywords"}, {"If-None-Match": etag} if etag else {}
        )
        if response.status_code == 304:
            return FilmAnswer(tmdb_id, "unchanged", etag, tries, iso_time())
        if response.status_code == 404:
            return FilmAnswer(tmdb_id, "tombstone", None, tries, iso_time())
        document = read_json(response)
        if not isinstance(document, dict) or document.get("id") != tmdb_id:
            raise TransientError(f"not the document of film {tmdb_id}", response.text)
        return FilmAnswer(tmdb_id, "document", response.headers.get("etag"), tries, iso_time(), document=document)

    async def changed(self, since: date, until: date) -> set[int]:
        """The films that changed on these days, both included."""
        found: set[int] = set()
        # windows share a day: TMDb does not say whether the last one is all of it
        for day in range(0, max(1, (until - since).days), CHANGES_DAYS - 1):
            first = since + timedelta(days=day)
            last = min(until, first + timedelta(days=CHANGES_DAYS - 1))
            page = pages = 1
            while page <= pages:
                payload = await self._changes({"start_date": str(first), "end_date": str(last), "page": str(page)})
                found.update(film["id"] for film in payload["results"])
                page, pages = page + 1, payload["total_pages"]
        return found

    async def _changes(self, query: dict[str, str]) -> Any:
        try:
            async for attempt in retrying():
                with attempt:
                    payload = read_json(await self._get("/3/movie/changes", query, {}))
                    if not isinstance(payload, dict) or not {"results", "total_pages"} <= payload.keys():
                        raise TransientError("not a change list")
                    return payload
        except TransientError as gone:
            raise CineFeastError(f"TMDB's change list cannot be had: {gone}", "try again later") from None

    async def _get(self, path: str, query: dict[str, str], headers: dict[str, str]) -> httpx.Response:
        try:
            async with self.pace.turn() as turn:
                response = await self.client.get(path, params=query, headers=headers, extensions={"trace": turn.trace})
        except httpx.HTTPError as error:  # time-outs, resets, bodies cut short, bad gzip
            raise TransientError(f"{type(error).__name__} {error}".strip()) from None
        if response.status_code == 429:
            self.pace.too_many(turn, retry_after(response))
            raise TransientError("429, too many requests")
        if response.status_code in (401, 403):
            raise CineFeastError(f"TMDB answers {response.status_code}: {message(response)}", SET)
        if response.status_code not in (200, 304, 404):
            raise TransientError(f"status {response.status_code}")
        self.pace.good()
        return response


@asynccontextmanager
async def connect(rate: float, timeout: float = TIMEOUT) -> AsyncIterator[Tmdb]:
    """TMDb with the token or key of the environment, at most `rate` requests a second.

    $TMDB_URL names another server of the same API. CineFeastError where there is neither token nor key.
    """
    token, key = api_key("TMDB_TOKEN"), api_key("TMDB_API_KEY")
    if not token and not key:
        raise CineFeastError("neither TMDB_TOKEN nor TMDB_API_KEY is set", SET)
    async with httpx.AsyncClient(
        base_url=os.environ.get("TMDB_URL") or URL,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        params={} if token else {"api_key": key or ""},
        timeout=httpx.Timeout(timeout, pool=None),
        limits=httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT),
    ) as client:
        yield Tmdb(client, Pace(rate))
