"""Rules that Python and SQL follow both: each reads the same in either."""

import duckdb
import pytest

from dbt_project.genres import known_genres, unknown_genres
from dbt_project.ingest.film_texts import landed_stamp
from dbt_project.sql_macros import shared_rule
from dbt_project.whole_numbers import whole_number

WHOLE = {"0": 0, "7": 7, "-5": -5, str(2**60 + 1): 2**60 + 1, str(2**63 - 1): 2**63 - 1}
NONE = (
    "7.5", "9001.0", "3e2", "30e1", "0x12c", "0b1", "1_000", " 1", "1 ", "\t1", "1\n", "+1", "-0", "007", "", "-",
    "one", "\u0661\u0662", "\uff11", str(2**63), "-" + str(2**64), "true", "True", "nan", "null",
)  # fmt: skip


def in_sql(rule: str, text: str) -> object:
    query = f"select {shared_rule(rule, 'given')} from (select ? as given)"
    return duckdb.execute(query, [text]).fetchall()[0][0]  # type: ignore[index]


@pytest.mark.parametrize("text", [*WHOLE, *NONE])
def test_a_whole_number_is_written_as_the_number_is(text: str) -> None:
    assert whole_number(text) == WHOLE.get(text)
    assert in_sql("whole_number", text) == WHOLE.get(text)


def test_whole_numbers_of_json() -> None:
    assert [whole_number(value) for value in (7, 7.0, True, None, [7])] == [7, None, None, None, None]


@pytest.mark.parametrize(
    ("name", "stamp"),
    [
        ("from-20240102T030405.000006-movies.jsonl.gz", "20240102T030405.000006"),
        ("movies.jsonl.gz", ""),
        ("tmdb-20240102T030405.000006Z.jsonl.gz", ""),
        ("from-me.jsonl.gz", ""),
    ],
)
def test_the_moment_of_landed_documents(name: str, stamp: str) -> None:
    assert landed_stamp(name) == in_sql("landed_stamp", name) == stamp


def test_a_genre_by_any_of_its_names() -> None:
    found = known_genres(["science fiction", " SCI-FI ", "Family", "children's", "TV Movie", "(no genres listed)", "?"])
    assert [(genre.index, genre.name) for genre in found] == [(3, "Children"), (16, "Sci-Fi")]
    assert unknown_genres(["drama", "TV Movie", "Space Opera", ""]) == ["Space Opera"]
