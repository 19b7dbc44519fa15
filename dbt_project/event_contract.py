"""What an event may be, for every door it comes in by: the numbers and tests of macros/shared_rules.sql.

HTTP (serving/schemas/events.py) takes the limits from here; `feast push` and write_to_offline_store run the tests
themselves on what they are given; dbt runs them again on what is landed, and keeps what fails in core.rejected_rows.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from dbt_project.sql_macros import shared_rule
from dbt_project.whole_numbers import LARGEST

LARGEST_ID = LARGEST
"""Ids are whole numbers from 0 to this: what models and stores hold exactly."""
EARLIEST = datetime.fromisoformat(shared_rule("earliest_moment")).replace(tzinfo=UTC)
"""Nothing can have happened before there was a catalogue."""
AHEAD = timedelta(minutes=int(shared_rule("minutes_ahead")))
"""How far the clock of a sender may be ahead. A row of a later time would stay online until that time has come."""
EARLIEST_YEAR, LATEST_YEAR = int(shared_rule("earliest_year")), int(shared_rule("latest_year"))
"""Of release."""


def moment_problem(moment: datetime, now: datetime | None = None) -> str | None:
    """Why nothing can have happened at an aware moment, as dbt says it; None where it can."""
    if moment < EARLIEST:
        return f"timestamp is before {shared_rule('earliest_moment')}"
    if moment > (now or datetime.now(UTC)) + AHEAD:
        return "timestamp is in the future"
    return None


def rating_problem(ratings: pa.Table) -> tuple[int, str] | None:
    """The first row (from 0) of user_id, movie_id, rating and rated_at (naive UTC) that dbt would reject, and why."""
    test = shared_rule("rating_problem", "user_id", "movie_id", "rating", "rated_at", shared_rule("this_moment"))
    # a connection for each thread: DuckDB takes one statement at a time
    with _connection().cursor() as connection:
        connection.register("ratings", ratings)
        found: Any = connection.execute(
            f"select place, problem from (select row_number() over () - 1 as place, {test} as problem from ratings)"
            " where problem is not null order by place limit 1"
        ).fetchone()
    return found


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set global timezone = 'UTC'")
    return connection
