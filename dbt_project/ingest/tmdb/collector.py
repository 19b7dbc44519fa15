"""`cinefeast collect`: the TMDb documents of the films that the landed links name, into raw/tmdb.

Every answer is written before it is counted: a run that is killed goes on where it was, and asks again only for what
was under way. A document is asked for again when it is older than six months, as long as TMDb's terms let it be kept.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from dbt_project.errors import CineFeastError
from dbt_project.ingest.film_texts import landed
from dbt_project.ingest.landing import raw_directory
from dbt_project.ingest.progress import request_progress
from dbt_project.ingest.tmdb.answers import LANDED, FilmAnswer, iso_time
from dbt_project.ingest.tmdb.api import IN_FLIGHT, TIMEOUT, Tmdb, connect
from dbt_project.ingest.tmdb.ledger import Ledger, LedgerRow, open_ledger
from dbt_project.ingest.tmdb.parts import Parts, finish
from dbt_project.ingest.workers import at_once
from dbt_project.whole_numbers import whole_number
from dbt_project.workspace import Workspace

KEPT_DAYS = 180
RATE = 30.0
"""Requests a second. TMDb allows about 50 an address (https://developer.themoviedb.org/docs/rate-limiting)."""
FAILED_IN_A_ROW = 50
LATER = "look at the network or try again later; cinefeast collect goes on where it was"


@dataclass
class Collected:
    """What became of every film that a link names: linked = done + due, and due = asked + left.

    unreadable: links whose TMDb id is not a whole number, which dbt rejects
    answers: how many films were answered with each status; their sum is `asked`
    reason: why the last film that failed did
    """

    linked: int
    unreadable: int = 0
    due: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    reason: str | None = None

    @property
    def done(self) -> int:
        """Films that needed no request."""
        return self.linked - self.due

    @property
    def asked(self) -> int:
        """Films that were asked for."""
        return self.answers.total()

    @property
    def left(self) -> int:
        """Films for the next run."""
        return self.due - self.asked


def collect_films(
    space: Workspace,
    rate: float = RATE,
    since: date | None = None,
    limit: int | None = None,
    is_dry_run: bool = False,
    timeout: float = TIMEOUT,
) -> Collected:
    """Ask TMDb for what is missing, failed or expired, and with `since` for what changed from that day on.

    Changes of more than KEPT_DAYS ago need no list: what was fetched before them has expired.

    rate: requests a second at most; limit: films at most; is_dry_run: count only (with `since`, the change list is
    read); timeout: seconds to wait for an answer
    Raises CineFeastError where no links are landed, on a refused key, and when nothing is answered any more. What was
    answered until then is landed.
    """
    linked, unreadable = linked_films(space)
    if since is not None and since > datetime.now(UTC).date():
        raise CineFeastError(f"--since {since} lies in the future", f"cinefeast collect --since {date.today()}")
    with raw_directory(space):
        space.raw_tmdb.mkdir(parents=True, exist_ok=True)
        parts = Parts(space.raw_tmdb)
        parts.finish_all()  # of a run that was killed
        with open_ledger(space.raw_tmdb) as ledger:
            run = CollectorRun(Collected(len(linked), unreadable), ledger, parts, linked, since, limit, is_dry_run)
            try:
                asyncio.run(run.ask(rate, timeout))
            finally:
                parts.close()
                for file in parts.finish_all():
                    ledger.mark_read(file)
    return run.collected


def linked_films(space: Workspace) -> tuple[list[int], int]:
    """The TMDb ids that the landed links name, ascending, and how many links name no whole number.

    The ids of a knowledge graph's films, below 0, are not TMDb's.
    """
    texts = [tmdb_id for (tmdb_id,) in landed(space, "links", "tmdb_id").values() if tmdb_id]
    ids = [whole_number(text) for text in texts]
    linked = sorted({tmdb_id for tmdb_id in ids if tmdb_id is not None and tmdb_id > 0})
    odd = [text for text, tmdb_id in zip(texts, ids, strict=True) if tmdb_id is None]
    if odd and not linked:
        raise CineFeastError(
            f"none of the {len(odd):,} landed links to TMDB is a whole number: {odd[0]}",
            "write tmdbId without a fraction, then cinefeast fetch again",
        )
    if not linked:
        raise CineFeastError(
            f"no landed links to TMDB in {space.raw_movielens}",
            "cinefeast fetch ml-latest-small, or with --links FILE",
        )
    return linked, len(odd)


def is_done(known: LedgerRow | None, not_before: str) -> bool:
    """Whether a film needs no request: TMDb has answered for good, and not too long ago."""
    return known is not None and known.status in ("document", "tombstone") and known.fetched_at >= not_before


@dataclass
class CollectorRun:
    """One run of the collector."""

    collected: Collected
    ledger: Ledger
    parts: Parts
    linked: list[int]
    since: date | None
    limit: int | None
    is_dry_run: bool
    failed_in_a_row: int = 0

    async def ask(self, rate: float, timeout: float) -> None:
        """Ask for all that is due, IN_FLIGHT films at a time."""
        if self.is_dry_run and self.since is None:
            self.plan(set(), "")  # needs no key
            return
        async with connect(rate, timeout) as tmdb:
            changed: set[int] = set()
            began_at = iso_time()
            if self.since is not None:
                today = datetime.now(UTC).date()
                changed = await tmdb.changed(max(self.since, today - timedelta(days=KEPT_DAYS)), today)
                began_at = began_at if self.is_dry_run else self.ledger.begin_refresh(str(self.since))
            work = self.plan(changed, began_at)
            if not self.is_dry_run:
                await self.work_off(work, tmdb)
        if 0 < self.collected.asked == self.collected.answers["failed"]:
            raise CineFeastError(f"TMDB did not answer: {self.collected.reason}", LATER)
        if self.since is not None and self.collected.left == self.collected.answers["failed"] == 0:
            self.ledger.end_refresh(str(self.since))

    def plan(self, changed: set[int], began_at: str) -> list[tuple[int, str | None]]:
        """The films to ask for now, each with the etag of what we have. One that changed is done if asked since."""
        expired = iso_time(datetime.now(UTC) - timedelta(days=KEPT_DAYS))
        known = self.ledger.films()
        due = [
            (tmdb_id, known[tmdb_id].etag if tmdb_id in known else None)
            for tmdb_id in self.linked
            if not is_done(known.get(tmdb_id), began_at if tmdb_id in changed else expired)
        ]
        self.collected.due = len(due)
        return due[: self.limit]

    async def work_off(self, work: list[tuple[int, str | None]], tmdb: Tmdb) -> None:
        """Ask for all of `work`; the first error ends it."""
        films = iter(work)
        with request_progress("TMDB", len(work)) as on_progress:

            async def worker() -> None:
                for tmdb_id, etag in films:
                    await self.keep(await tmdb.film(tmdb_id, etag))
                    on_progress(self.collected.asked)

            await at_once(IN_FLIGHT, worker)

    async def keep(self, answer: FilmAnswer) -> None:
        """Write an answer, then note and count it."""
        if answer.status in LANDED:
            self.parts.append(answer)
        self.ledger.note(answer)
        self.collected.answers[answer.status] += 1
        if answer.status == "failed":
            self.collected.reason = answer.reason
        self.failed_in_a_row = self.failed_in_a_row + 1 if answer.status == "failed" else 0
        if self.failed_in_a_row >= FAILED_IN_A_ROW:
            raise CineFeastError(f"TMDB did not answer for {FAILED_IN_A_ROW} films in a row: {answer.reason}", LATER)
        if self.parts.is_full and (closed := self.parts.close()):
            # compressing takes a second, in which the other requests go on
            self.ledger.mark_read(await asyncio.to_thread(finish, closed))
