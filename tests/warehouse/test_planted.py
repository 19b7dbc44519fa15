"""One build of data with wrong rows among it, in a workspace of an awkward name: what is wrong bends nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dbt_project.ingest.fetch import Landed
from dbt_project.ingest.film_texts import film_texts
from dbt_project.workspace import Workspace
from tests.commands import run
from tests.fixtures import FixtureData
from tests.warehouse import planted
from tests.warehouse.planted import (
    ADDED,
    BAD,
    BIG,
    CHANGES,
    GOOD,
    LOST_CHILDREN,
    LOWER_CASE,
    MOVIES,
    ODD_IDS,
    PUSHED_BAD,
    SHARED,
    SPACED,
    SURPLUS,
    UNKNOWN,
    UNREAD_LINK,
    WITHOUT_DOCUMENT,
)  # fmt: skip

Built = tuple[FixtureData, Landed, duckdb.DuckDBPyConnection, str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The warehouse of all of it, after a build with every test of dbt."""
    folder = tmp_path_factory.mktemp("planted")
    space = Workspace(folder / "it's [1] {d} 100% a*b (x)")
    data, landed = planted.plant(space, folder)
    printed = run(space.root, "dbt", "build", folder="dbt_project").stdout
    with duckdb.connect(str(space.warehouse), read_only=True) as connection:
        yield data, landed, connection, printed


def rejected(connection: duckdb.DuckDBPyConnection, source: str) -> Counter[str]:
    query = "select reason from core.rejected_rows where source = ?"
    return Counter(reason for (reason,) in connection.execute(query, [source]).fetchall())


def test_each_wrong_rating_is_kept_with_its_reason(built: Built) -> None:
    data, _, connection, _ = built
    assert rejected(connection, "ratings") == Counter(data.rejected) + Counter(
        {
            "user id is not a whole number": len(ODD_IDS) + 3,
            "user id is below 0": 2,
            "movie id is not a whole number": 1,
            "movie id is not in the movies file": 1,
            "rating is not a number": 4,
            "rating is not between 0.5 and 5": 3,
            "rating is not in steps of half a star": 1,
            "timestamp is not in seconds since 1970": 3,
            "timestamp is before 1995-01-01": 2,
            "timestamp is in the future": 3,
            "same user, movie and second as an earlier line": 1,
        }
    )


def test_a_row_of_other_hands_is_kept_as_it_was_given(built: Built) -> None:
    *_, connection, _ = built
    query = "select reason, raw from core.rejected_rows where source = 'ratings'"
    assert set(connection.sql(query).fetchall()) >= {
        ("user id is not a whole number", f"402.0 | {SHARED} | 4 | 2017-07-14T14:00:00+02:00"),
        ("rating is not a number", f"403 | {SHARED} | good | 2017-07-14T14:00:00+02:00"),
        ("timestamp is not in seconds since 1970", f"404 | {SHARED} | 3 | yesterday"),
        ("user id is not a whole number", f"405.5 | {SHARED}.0 | 4"),
    }


def test_the_facts_are_the_right_ratings_to_the_last_digit(built: Built) -> None:
    data, _, connection, _ = built
    at = int(planted.NOON.replace(tzinfo=None).timestamp() - datetime(1970, 1, 1).timestamp())
    expected = [
        *data.ratings,
        *((int(user), int(movie), float(stars), int(float(when))) for user, movie, stars, when in GOOD),
        (400, SHARED, 3.5, at),
        (401, SHARED, 4.5, at),
    ]
    query = "select user_id, movie_id, rating, epoch(rated_at)::bigint from core.fct_ratings order by rating_id"
    assert connection.sql(query).fetchall() == expected
    histories = "select user_id, movie_ids from features.feat_user_history where user_id > 1000000 order by user_id"
    assert connection.sql(histories).fetchall() == [
        (user, [movie]) for user, movie, *_ in GOOD if user > BIG
    ]  # ids that share a float stay apart


def test_counts_first_days_numbers_and_holdouts_are_as_without_the_wrong_rows(built: Built) -> None:
    data, _, connection, _ = built
    first, last = connection.sql("select min(date_day), max(date_day) from core.dim_dates").fetchall()[0]
    times = [at for *_, at in data.ratings] + [planted.AT, planted.AT + 86_400]
    assert first == datetime.fromtimestamp(min(times)).date()
    assert (last - datetime.fromtimestamp(max(times)).date()).days <= 1  # a tag may be of the day after
    counts = connection.sql("select movie_id, count_ratings from reporting.rpt_movie_popularity").fetchall()
    per_film = Counter(movie for _, movie, *_ in data.ratings)
    assert {movie: count for movie, count in counts if movie in per_film} == per_film
    users = connection.sql("select user_id from core.dim_users order by user_index").fetchall()
    began: dict[int, int] = {}
    for user, _, _, at in data.ratings:
        began[user] = min(at, began.get(user, at))
    known = [user for (user,) in users if user in began]
    assert known == sorted(began, key=lambda user: (began[user], user))
    held_out = "select user_id, event_timestamp from training.training_labels where split_loo = 'test'"
    latest = {user: max(at for one, _, _, at in data.ratings if one == user) for user in began}
    found = dict(connection.sql(held_out).fetchall())
    assert {user: int((moment - datetime(1970, 1, 1)).total_seconds()) for user, moment in found.items()} == latest


def test_each_wrong_event_is_kept_with_its_reason(built: Built) -> None:
    *_, connection, _ = built
    assert rejected(connection, "feedback") == {
        "kind is not known": 2,
        "user id is not a whole number": 1,
        "user id is below 0": 1,
        "timestamp is in the future": 1,
        "movie id is not in the movies file": 1,
        "same event id as an earlier event": 1,
        "event has no id": 1,
    }
    assert connection.sql("select event_id, kind from core.fct_feedback").fetchall() == [("a", "hide")]
    assert rejected(connection, "movie_changes") == {
        "movie has no title": 2,
        "release year cannot be": 1,
        "movie id is below 0": 1,
    }
    assert rejected(connection, "movies") == {"movie id is not a whole number": 1, "movie id is below 0": 1}


def test_every_row_is_accounted_for(built: Built) -> None:
    data, _, connection, _ = built
    accounting = {
        source: (read, accepted, bad, surplus)
        for source, read, accepted, bad, surplus in connection.sql(
            "select source, count_read, count_accepted, count_rejected, count_surplus from reporting.rpt_row_accounting"
        ).fetchall()
    }
    lines = data.rating_lines + len(GOOD) + len(BAD) + 1 + len(PUSHED_BAD) + 5
    assert accounting["ratings"][0] == lines
    assert accounting["movies"] == (len(data.films) + len(MOVIES), len(data.films) + len(MOVIES) - 2, 2, 0)
    assert accounting["movie_changes"] == (len(CHANGES) - 1, 4, 4, 0)
    assert accounting["links"] == (data.links + 4, data.links + 2, 1, 1)
    for source, (read, *parts) in accounting.items():
        assert read == sum(parts) or source == "tmdb_documents"


def test_a_change_keeps_what_it_does_not_name(built: Built) -> None:
    *_, connection, _ = built
    query = "select movie_title, movie_genre_names, movie_year, movie_language, movie_director_name, movie_runtime"
    profile = {
        movie: tuple(rest)
        for movie, *rest in connection.sql(f"{query}, movie_id from features.feat_movie_profile")
        .project("movie_id, * exclude (movie_id)")
        .fetchall()
    }
    assert profile[LOWER_CASE] == ("Corrected", ["Adventure", "Children"], 1993, None, None, None)
    assert profile[ADDED] == ("Lighthouse Ten", ["Children", "Sci-Fi"], 2026, "fr", "A. Field", None)
    # what a change names replaces the archive's and the document's; the document that was landed last counts
    assert profile[SHARED] == ("Told Twice", ["Western"], 1990, None, None, 99)
    assert profile[SPACED][:3] == ("Spaced", ["Drama", "Sci-Fi"], 1994)
    assert profile[UNKNOWN][1] == ["Drama"]
    assert profile[LOST_CHILDREN][0] == "The City of Lost Children (Cité des enfants perdus, La)"
    assert {-8, -7, 90_003}.isdisjoint(profile)


def test_links_stay_without_a_document_and_those_of_no_film_are_surplus(built: Built) -> None:
    *_, connection, _ = built
    films = f"({SHARED}, {WITHOUT_DOCUMENT}, {UNREAD_LINK})"
    query = f"select movie_id, tmdb_id, imdb_id, is_in_tmdb from core.dim_movies where movie_id in {films} order by 1"
    assert connection.sql(query).fetchall() == [
        (SHARED, 880_001, "0500001", True),
        (WITHOUT_DOCUMENT, 880_002, "0500002", False),
        (UNREAD_LINK, None, None, False),
    ]
    assert rejected(connection, "links") == {"TMDb id is not a whole number": 1}
    assert connection.sql(f"from intermediate.int_tmdb_movies where movie_id = {SURPLUS}").fetchall() == []


def test_dbt_and_fetch_tell_what_is_left_out(built: Built) -> None:
    _, landed, connection, printed = built
    assert connection.sql("from reporting.rpt_unknown_genres").fetchall() == [("Space Opera", 1)]
    assert landed.quality.unknown_genres == {"Space Opera": 1}
    assert landed.quality.unusable["ratings"]["user id is not a whole number"] == len(ODD_IDS)
    assert "core.rejected_rows" in printed
    assert "movie_changes: 50.0% of 8 rows are rejected" in printed


def test_texts_are_of_the_same_films_titles_and_documents(built: Built) -> None:
    *_, connection, _ = built
    (database,) = connection.sql("select path from duckdb_databases() where not internal").fetchall()[0]
    texts = film_texts(Workspace(Path(database).parent.parent))
    films = {movie for movie, *_ in connection.sql("select movie_id from core.dim_movies").fetchall()}
    assert set(texts) == films
    assert texts[ADDED].split("\n") == ["Lighthouse Ten", "Children, Sci-Fi", "A. Field"]
    assert texts[LOST_CHILDREN].startswith("The City of Lost Children (Cité des enfants perdus, La)\n")
    assert texts[SHARED].startswith("Told Twice\n")
    assert "Western" in texts[SHARED]
