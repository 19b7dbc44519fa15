"""`cinefeast report`: the metrics beside a look at the data, one HTML page that needs nothing else."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from serving.reports import plots
from serving.reports.metric_tables import metric_sections

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
BUILD = "cd dbt_project && dbt build"
QUERIES = {
    "months": "SELECT * FROM reporting.rpt_ratings_by_month ORDER BY month",
    "activity": "SELECT * FROM reporting.rpt_user_activity ORDER BY count_ratings",
    "popularity": "SELECT * FROM reporting.rpt_movie_popularity ORDER BY popularity_rank",
    "genres": """
        SELECT * FROM reporting.rpt_genre_shares WHERE count_movies > 0 ORDER BY share_of_ratings DESC, genre_name
    """,
    "coverage": "SELECT * FROM reporting.rpt_tmdb_coverage ORDER BY share_present DESC, field",
    "accounting": "SELECT * FROM reporting.rpt_row_accounting ORDER BY count_read DESC, source",
    "rejected": """
        SELECT source, reason, count(*) AS count_rows, min(line_number) AS first_line,
               left(min_by(raw, line_number), 120) AS raw
        FROM core.rejected_rows GROUP BY source, reason ORDER BY count_rows DESC, source, reason
    """,
}

Row = dict[str, Any]


def report() -> Path:
    """Write reports/report.html and return its path. The last report stays until the new one is whole.

    Raises CineFeastError when there are no metrics or no warehouse, or when either is unreadable.
    """
    place = workspace()
    metrics_file = place.reports / "metrics.json"
    metrics = read_metrics(metrics_file)
    tables = read_warehouse(place.warehouse)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("report.html.j2").render(
        dataset=metrics["dataset"],
        facts=facts(tables),
        sections=[*metric_sections(metrics), data_section(tables)],
        accounting=tables["accounting"],
        rejected=tables["rejected"],
        metrics_file=metrics_file.relative_to(place.root),
        warehouse_file=place.warehouse.relative_to(place.root),
    )
    target = place.reports / "report.html"
    beside = target.with_suffix(".html.building")
    beside.write_text(page, encoding="utf-8")
    beside.replace(target)
    return target


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics that `cinefeast evaluate` wrote."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CineFeastError(f"no metrics at {path}", "cinefeast evaluate") from None
    except ValueError as error:
        raise CineFeastError(f"{path} is no JSON: {error}", "cinefeast evaluate") from None
    missing = {"dataset", "protocol", "channels", "ranking", "protocols"} - set(metrics)
    if missing:
        raise CineFeastError(f"{path} has no {', '.join(sorted(missing))}", "cinefeast evaluate")
    return metrics


def read_warehouse(path: Path) -> dict[str, list[Row]]:
    """The reporting tables as rows, from the published file, opened read-only."""
    if not path.exists():
        raise CineFeastError(f"no warehouse at {path}", BUILD)
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return {name: read_rows(connection, query) for name, query in QUERIES.items()}
    except duckdb.Error as error:
        raise CineFeastError(f"{path} cannot be read: {str(error).splitlines()[0]}", BUILD) from None


def read_rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    """The rows of a query as dictionaries."""
    result = connection.sql(query)
    return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]


def facts(tables: dict[str, list[Row]]) -> list[tuple[str, str]]:
    """The numbers at the head of the page."""
    months = tables["months"]
    ratings = sum(row["count_ratings"] for row in months)
    users = sum(row["count_users"] for row in tables["activity"])
    films = len(tables["popularity"])
    density = ratings / (users * films) if ratings else 0.0
    span = f"{months[0]['month']:%b %Y} to {months[-1]['month']:%b %Y}" if months else "none"
    return [
        ("ratings", f"{ratings:,}"),
        ("users", f"{users:,}"),
        ("rated films", f"{films:,}"),
        ("of all pairs rated", f"{density:.2%}"),
        ("time", span),
        ("made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    ]


def data_section(tables: dict[str, list[Row]]) -> dict[str, Any]:
    """The look at the data: when, who, what, and how much TMDb knows."""
    months, genres, coverage = tables["months"], tables["genres"], tables["coverage"]
    return {
        "title": "The data",
        "about": "What the models learn from: few users and few films hold most of the ratings.",
        "folded": False,
        "tables": [],
        "plots": [
            {
                "title": "Ratings per month",
                "wide": True,
                "svg": plots.by_month(column(months, "month"), column(months, "count_ratings")),
            },
            {"title": "Activity of users", "svg": activity_plot(tables["activity"])},
            {
                "title": "Popularity of films",
                "svg": plots.tail(
                    column(tables["popularity"], "popularity_rank"),
                    column(tables["popularity"], "count_ratings"),
                    "popularity of films",
                    "film, by number of ratings",
                    "ratings",
                ),
            },
            {
                "title": "Ratings by genre (a film has several)",
                "svg": plots.shares(
                    column(genres, "genre_name"), column(genres, "share_of_ratings"), "ratings by genre"
                ),
            },
            {
                "title": "Films with a value from TMDb",
                "svg": plots.shares(
                    column(coverage, "field"), column(coverage, "share_present"), "TMDb coverage", plots.SECOND
                ),
            },
        ],
    }


def activity_plot(activity: list[Row]) -> str:
    """How many users have at least x ratings."""
    left = sum(row["count_users"] for row in activity)
    at_least = []
    for row in activity:
        at_least.append(left)
        left -= row["count_users"]
    return plots.tail(
        column(activity, "count_ratings"), at_least, "activity of users", "at least so many ratings", "users"
    )


def column(rows: list[Row], name: str) -> list[Any]:
    """One column of the rows."""
    return [row[name] for row in rows]
