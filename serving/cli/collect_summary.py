"""What `cinefeast collect` says at its end: every linked film is accounted for."""

from pathlib import Path

from dbt_project.ingest.tmdb.answers import LANDED
from dbt_project.ingest.tmdb.collector import Collected

WORDS = {
    "document": "documents",
    "unchanged": "unchanged",
    "tombstone": "not in TMDB (404)",
    "rejected": "answered with no document (dbt rejects it)",
    "failed": "not answered (asked again next time)",
}


def print_collected(found: Collected, directory: Path, rate: float, limit: int | None, is_dry_run: bool) -> None:
    """Print the account: linked = done + due, due = asked + left."""
    print(f"{found.linked:,} linked films: {found.done:,} done before, {found.due:,} due")
    if found.unreadable:
        print(f"{found.unreadable:,} links are left out: their TMDb id is not a whole number (dbt rejects them)")
    if is_dry_run:
        would = found.due if limit is None else min(found.due, limit)
        print(f"would ask for {would:,}, in {would / rate / 60:,.1f} minutes or more at {rate:g} requests a second")
        return
    answers = ", ".join(
        f"{found.answers[status]:,} {words}" for status, words in WORDS.items() if found.answers[status]
    )
    print(f"asked for {found.asked:,}{': ' if answers else ''}{answers}; {found.left:,} left for the next run")
    if found.reason:
        print(f"the last that was not answered: {found.reason}")
    if any(found.answers[status] for status in LANDED):
        print(f"landed in {directory}")
        print("next: (cd dbt_project && dbt build)")
