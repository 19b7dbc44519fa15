"""What TMDb answered about one film, and the line that keeps it in raw/tmdb."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from dbt_project.ingest.json_lines import parsed
from dbt_project.whole_numbers import whole_number

Status = Literal["document", "unchanged", "tombstone", "rejected", "failed"]
LANDED: tuple[Status, ...] = ("document", "tombstone", "rejected")


@dataclass(frozen=True)
class FilmAnswer:
    """One film's answer after all tries.

    status: document; unchanged (304 to our etag); tombstone (404: TMDb has no such film, or no more); rejected (an
        answer that is no document of the film, kept as text); failed (no answer)
    tries: requests that it took
    fetched_at: UTC, ISO 8601 with microseconds, so that texts sort as moments do
    reason: why it is rejected or failed
    """

    tmdb_id: int
    status: Status
    etag: str | None
    tries: int
    fetched_at: str
    reason: str | None = None
    document: dict[str, Any] | str | None = None

    def line(self) -> str:
        """The answer as one line of ASCII, the document last."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of_line(cls, line: str, landed_at: str) -> Self | None:
        """The answer that a landed line tells of, without its document.

        A document that was landed by `collect --from` has no moment of its own: it counts as fetched at `landed_at`.
        None for a line that names no film.
        """
        try:
            payload = parsed(line)
        except ValueError:
            return None
        if not isinstance(payload, dict):
            return None
        if "fetched_at" not in payload:
            payload = {"tmdb_id": payload.get("id"), "status": "document", "fetched_at": landed_at}
        tmdb_id, etag = whole_number(payload.get("tmdb_id")), payload.get("etag")
        if tmdb_id is None or payload.get("status") not in LANDED:
            return None
        etag = etag if isinstance(etag, str) else None
        tries = whole_number(payload.get("tries")) or 0
        return cls(tmdb_id, payload["status"], etag, tries, str(payload["fetched_at"]))


def iso_time(at: datetime | None = None) -> str:
    """A moment as the answers write it; now if none is given."""
    return (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
