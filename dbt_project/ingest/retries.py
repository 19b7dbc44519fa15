"""What is worth another try at an API, and when."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from dbt_project.errors import CineFeastError
from dbt_project.ingest.json_lines import parsed

TRIES = 5
LONGEST = 300
"""Seconds that a run waits when it is told to."""


class TransientError(Exception):
    """A request that is worth another try; `text` is what came back, where something did."""

    def __init__(self, reason: str, text: str | None = None) -> None:
        super().__init__(reason)
        self.text = text


def retrying() -> AsyncRetrying:
    """Up to TRIES requests, apart by a random part of 0.5, 1, 2, ... seconds; then the last error is raised."""
    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=wait_random_exponential(multiplier=0.5, max=20),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )


def read_json(response: httpx.Response) -> Any:
    """The JSON of an answer; what no JSON may hold (NaN) is none."""
    try:
        return parsed(response.content.decode(), parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        raise TransientError("not valid JSON", response.text) from None


def retry_after(response: httpx.Response) -> float:
    """Seconds that a 429 asks to wait, given as seconds or as a date; 1 where it does not say.

    CineFeastError where that is longer than LONGEST: the run should end, and not look as if it hung.
    """
    value = response.headers.get("retry-after", "")
    wait = 1.0
    if re.fullmatch(r"\d+(\.\d+)?", value):
        wait = float(value)
    else:
        with suppress(ValueError, TypeError):
            wait = max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    if wait > LONGEST:
        raise CineFeastError(
            f"{response.url.host} asks to wait for {wait:,.0f} seconds",
            "run the same command again then: it goes on where it was",
        )
    return wait


def message(response: httpx.Response) -> str:
    """What the server says is wrong."""
    try:
        payload = response.json()
        return " ".join(str(payload.get("status_message") or payload["error"]["message"]).split())[:200]
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.reason_phrase
