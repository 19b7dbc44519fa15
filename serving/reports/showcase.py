"""What the demo prints at its end: metrics, and what a few users have seen and are recommended."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from dbt_project.workspace import workspace
from serving.pipeline.catalogue import title_of
from serving.pipeline.recommender import Recommender
from serving.reports.metric_tables import terminal_table
from serving.schemas.requests import CandidatesQuery
from serving.schemas.responses import Item

LAST_FILMS = 5
FEWEST_RATINGS = 20


def print_metrics(console: Console, every: bool = True) -> None:
    """The metrics of the last evaluation, a table a protocol; by its main protocol alone unless `every`."""
    metrics = json.loads((workspace().reports / "metrics.json").read_text(encoding="utf-8"))
    for name, protocol in metrics["protocols"].items():
        if not every and name != metrics["protocol"]:
            continue
        found = terminal_table(name, protocol)
        table = Table(title=f"{metrics['dataset']}, {found['title']}", title_justify="left", title_style="bold")
        table.add_column("model")
        for column in found["columns"]:
            table.add_column(column, justify="right")
        for row in found["rows"]:
            table.add_row(row["name"], *(cell["text"] + cell["margin"] for cell in row["cells"]))
        console.print()
        console.print(table)


def print_users(console: Console, recommender: Recommender) -> None:
    """Three users of different taste and one whom nobody knows: their last films, ten new ones, and why."""
    known = recommender.known_users()
    chosen = pick_users(known)
    unknown = max(known["user_id"].to_pylist(), default=0) + 1_000_000
    for user in [*chosen, {"user_id": unknown}]:
        print_user(console, recommender, user)


def pick_users(users: pa.Table, count: int = 3) -> list[dict[str, Any]]:
    """The most active user, then each time the one whose genre shares are farthest from those picked.

    Users with fewer than 20 ratings are left out where others are there. The same table gives the same users.
    """
    active = users.filter(pc.greater_equal(users["user_count_ratings"], FEWEST_RATINGS))
    rows = (active if active.num_rows else users).sort_by(
        [("user_count_ratings", "descending"), ("user_id", "ascending")]
    )
    if not rows.num_rows:
        return []
    genre_shares = np.array(rows["user_genre_share"].to_pylist(), dtype=float)  # (n, genres)
    genre_shares /= np.maximum(np.linalg.norm(genre_shares, axis=1, keepdims=True), 1e-9)
    picked = [0]
    while len(picked) < min(count, rows.num_rows):
        nearest = (genre_shares @ genre_shares[picked].T).max(axis=1)  # (n,) cosine to the most similar one picked
        nearest[picked] = np.inf
        picked.append(int(nearest.argmin()))
    return rows.take(picked).to_pylist()


def print_user(console: Console, recommender: Recommender, user: dict[str, Any]) -> None:
    """One user: last films with their ratings, and the answer that HTTP would give."""
    answer = recommender.answer(user["user_id"], CandidatesQuery(explain=True))
    console.print(f"\n[bold]user {user['user_id']}[/bold] ({answer.reason or 'known'}; strategy {answer.strategy})")
    films = user.get("user_recent_movie_ids") or []
    for movie, rating in list(zip(films, user.get("user_recent_ratings") or [], strict=True))[-LAST_FILMS:]:
        title = title_of(recommender.films.get(movie)) or f"film {movie}"
        console.print(f"  saw {title} ({rating:g} star{'' if rating == 1 else 's'})", markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for column in ("", "recommended", "why"):
        table.add_column(column, overflow="fold")
    for item in answer.items:
        year = f" ({item.year})" if item.year else ""
        table.add_row(f"{item.rank}", f"{item.title}{year}".replace("[", r"\["), why(item).replace("[", r"\["))
    console.print(table)


def why(item: Item) -> str:
    """The reasons of one film in a line."""
    if item.reasons is None:
        return ""
    parts = []
    if item.reasons.because_you_watched:
        parts.append("you saw " + ", ".join(str(film.title) for film in item.reasons.because_you_watched[:2]))
    if item.reasons.shared_director:
        parts.append(f"by {item.reasons.shared_director}")
    if item.reasons.shared_genres:
        parts.append(", ".join(item.reasons.shared_genres))
    ranks = sorted(item.reasons.channels.items(), key=lambda channel: (channel[1], channel[0]))
    parts.append(" ".join(f"{name}#{rank}" for name, rank in ranks))
    return "; ".join(parts)


def print_seconds(console: Console, seconds: list[tuple[str, float]]) -> None:
    """How long each step took."""
    table = Table(title="seconds", title_justify="left", title_style="bold")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, taken in seconds:
        table.add_row(name, f"{taken:.1f}")
    table.add_section()
    table.add_row("together", f"{sum(taken for _, taken in seconds):.1f}")
    console.print()
    console.print(table)
