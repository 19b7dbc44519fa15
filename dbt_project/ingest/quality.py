"""What of the landed tables cannot be used, told when it is landed: dbt rejects it later, by the same rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from dbt_project.errors import CineFeastError
from dbt_project.genres import unknown_genres
from dbt_project.sql_macros import shared_rule
from dbt_project.sql_paths import path_literal

MALFORMED = "wrong number of fields"
Reasons = Mapping[str, int]


@dataclass(frozen=True)
class Quality:
    """`unusable`: table -> why rows of it cannot be used -> how many, most first.

    `unknown_genres`: names that no seed knows -> films that have them.
    """

    unusable: dict[str, Reasons] = field(default_factory=dict)
    unknown_genres: Reasons = field(default_factory=dict)


def landed_quality(directory: Path) -> Quality:
    """Look at the tables landed in `directory`. What shows only beside other rows, such as repetitions, is dbt's."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for table in ("movies", "ratings", "tags", "links", "users"):
            source = path_literal(directory / f"{table}.parquet")
            connection.execute(f"create view {table} as select * from read_parquet({source})")
        connection.execute(f"create table films as select distinct {ids('movie_id')} as movie_id from movies")
        unusable = {table: reasons(connection, table, test) for table, test in tests().items()}
        names = connection.execute(
            "select name, count(*) from (select unnest(string_split(genres, '|')) as name from movies) "
            "group by name order by 2 desc, 1"
        ).fetchall()
    unknown = set(unknown_genres(name for name, _ in names))
    return Quality(
        {table: found for table, found in unusable.items() if found},
        {name: count for name, count in names if name in unknown},
    )


def check_some_ratings(quality: Quality, rows: int, where: str) -> None:
    """CineFeastError where not one of the ratings can be used: nothing could be built of them."""
    found = quality.unusable.get("ratings", {})
    if rows and sum(found.values()) == rows:
        raise CineFeastError(
            f"{where}: none of its {rows:,} ratings can be used: {told(found)}",
            "give an archive in the published layout",
        )


def told(reasons: Reasons) -> str:
    """The reasons as text, with how many rows have each."""
    return ", ".join(f"{reason} ({count:,})" for reason, count in reasons.items())


def tests() -> dict[str, str]:
    """For each table the SQL that tells why a row cannot be used."""
    now = shared_rule("this_moment")
    user, movie = ids("user_id"), ids("movie_id")
    moment = shared_rule("moment_of_seconds", "timestamp")
    is_unknown = f"{movie} not in (from films where movie_id is not null)"
    known = f"case when {is_unknown} then 'movie id is not in the movies file' end"
    user_problem, movie_problem = shared_rule("id_problem", user, "user"), shared_rule("id_problem", movie, "movie")
    found = {
        "movies": [movie_problem, "case when coalesce(title, '') = '' then 'movie has no title' end"],
        "ratings": [shared_rule("rating_problem", user, movie, "try_cast(rating as float)", moment, now), known],
        "tags": [user_problem, movie_problem, shared_rule("moment_problem", moment, now), known],
        "links": [
            movie_problem,
            f"case when tmdb_id <> '' and {ids('tmdb_id')} is null then 'TMDb id is not a whole number' end",
        ],
        "users": [user_problem],
    }
    malformed = f"case when malformed_line is not null then '{MALFORMED}' end"
    return {table: f"coalesce({', '.join([malformed, *parts])})" for table, parts in found.items()}


def ids(column: str) -> str:
    """The SQL of an id that was landed as text."""
    return f"({shared_rule('whole_number', column)})"


def reasons(connection: duckdb.DuckDBPyConnection, table: str, test: str) -> Reasons:
    """Why rows of a table cannot be used, and how many."""
    query = f"select reason, count(*) from (select {test} as reason from {table}) where reason is not null"
    return dict(connection.execute(f"{query} group by reason order by 2 desc, 1").fetchall())
