"""New ratings: what is online at once is what the next build and materialize would put there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import FEEDBACK, RATINGS, SCHEMAS
from dbt_project.workspace import Workspace
from tests.commands import UNTESTED, dbt_build, landed_events, materialize, run
from tests.conftest import TRAINED, Built, OnRedis, copy_of
from tests.fixtures import FixtureData

NEW_USER = 5000
NEW_FILM = 88888
UNRATED_FILM = 88889
RENEWED = (
    "user_state", "user_sequence", "user_history", "movie_state", "movie_recent", "user_feedback", "movie_profile",
)  # fmt: skip
NUMBERED = "movie_index"
"""What a build alone gives to a film that is new."""


@pytest.fixture
def workspace(built_workspace: Built, tmp_path: Path) -> Path:
    """A copy to append to, dbt's build file and notes included."""
    return copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)


def new_ratings(data: FixtureData) -> list[tuple[int, int, float, datetime]]:
    """In order of arrival: new, tied, late, rated again, sent twice, by somebody new, of a film that nobody rated."""
    user, film, _, first = data.ratings[0]
    other = data.ratings[-1][0]
    films = [rating[1] for rating in data.ratings if rating[0] == other][:3]
    unrated = data.films[-2].movie_id
    later = datetime.fromtimestamp(max(rating[3] for rating in data.ratings), UTC) + timedelta(days=40, hours=3)
    late = datetime.fromtimestamp(first, UTC) + timedelta(seconds=1, microseconds=250_000)
    return [
        (user, films[0], 4.5, later),
        (user, films[1], 0.5, later),
        (user, film, 2.0, late),
        (other, film, 3.0, later + timedelta(days=100)),
        (other, film, 1.0, later + timedelta(days=100)),
        (NEW_USER, unrated, 5.0, later),
        (NEW_USER, films[2], 3.5, late - timedelta(days=200)),
        (NEW_USER, films[2], 3.5, later + timedelta(days=1)),
    ]


def record(store: Any, ratings: list[tuple[int, int, float, datetime]]) -> None:
    """One after the other, the first three together."""
    from feature_repo.events import Rating, RatingRecorder

    recorder = RatingRecorder(store)
    events = [Rating(*rating) for rating in ratings]
    recorder.record(events[:3])
    for event in events[3:]:
        recorder.record([event])


def change_films(store: Any, known: int) -> None:
    """Two that no archive has, by TMDb's names of genres, and a title, then a language, of one that many have rated."""
    from feature_repo.feedback_events import FilmUpdate, land_films
    from serving.events.film_updates import write_profile

    for film in (
        FilmUpdate(NEW_FILM, "The Long Harvest", 2010, ("Science Fiction", "family"), director_name="A. Field"),
        FilmUpdate(UNRATED_FILM, "The Longer Harvest", genre_names=("Western",)),
        FilmUpdate(known, "Corrected"),
        FilmUpdate(known, "Corrected", original_language="xx"),
        FilmUpdate(NEW_FILM, "The Long Harvest, Again"),
    ):
        land_films([film])
        write_profile(store, film)


def give_feedback(store: Any, ratings: list[tuple[int, int, float, datetime]]) -> None:
    """By users of the ratings, on their films: of one second, late, sent twice, by somebody who did nothing else."""
    from feature_repo.feedback_events import KEPT, Feedback, land_feedback, renew_feedback

    (user, film, _, later), (_, other, *_) = ratings[:2]
    events = [
        Feedback("a", user, film, "hide", later),
        Feedback("b", user, other, "click", later),
        Feedback("c", user, other, "watch", later - timedelta(days=3)),
        Feedback("d", user, film, "click", later - timedelta(days=3)),
        Feedback("d", user, film, "click", later - timedelta(days=3)),
        Feedback("e", NEW_USER + 1, film, "hide", later),
    ]
    # more than are kept, in no order, two films in turns
    seconds = [(n * 7) % (KEPT + 5) for n in range(KEPT + 5)]
    events += [
        Feedback(f"f{n}", NEW_USER + 1, (film, other)[n % 2], "hide", later + timedelta(seconds=n)) for n in seconds
    ]
    for some in (events[:2], events[2:600], events[600:]):
        land_feedback(some)
        renew_feedback(store, some)


def online(store: Any, ratings: list[tuple[int, int, float, datetime]]) -> dict[str, list[Any]]:
    """Every feature of the views that events renew, for the users and films of the ratings."""
    films = [*sorted({r[1] for r in ratings}), UNRATED_FILM]
    keys = {"user_id": [*sorted({r[0] for r in ratings}), NEW_USER + 1], "movie_id": films}
    found = {}
    for view in store.list_batch_feature_views():
        if view.name in RENEWED:
            key = view.join_keys[0]
            found |= store.get_online_features(
                [f"{view.name}:{f.name}" for f in view.features if f.name != NUMBERED], {key: keys[key]}
            ).to_dict()
    return found


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_real_time_equals_batch(
    kind: str, built_workspace: Built, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.store import load_store

    if kind == "redis":
        redis_demo: OnRedis = request.getfixturevalue("redis_demo")
        workspace, address = redis_demo.root, redis_demo.server.address
    else:
        workspace, address = request.getfixturevalue("workspace"), ""
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    ratings = new_ratings(built_workspace.data)
    store = load_store()
    before = online(store, ratings)
    change_films(store, ratings[0][1])
    ratings.append((ratings[0][0], NEW_FILM, 4.0, ratings[0][3] + timedelta(days=200)))
    record(store, ratings)
    give_feedback(store, ratings)
    at_once = online(store, ratings)
    assert at_once != before
    assert at_once["movie_genre_names"][-2:] == [["Children", "Sci-Fi"], ["Western"]]
    assert at_once["movie_count_ratings"][-1] == 0
    assert at_once["user_clicked_movie_ids"][0] == [ratings[0][1], ratings[1][1]]  # in order of time
    hidden = at_once["user_hidden_movie_ids"][-1]
    assert len(hidden) == 1000
    assert hidden[0] != hidden[1] == hidden[-1]
    assert at_once["user_hidden_timestamps"][-1] == sorted(at_once["user_hidden_timestamps"][-1])
    run(workspace, "cinefeast", "embed")
    dbt_build(workspace, *(UNTESTED if address else ()))
    if address:
        redis_demo.server.flush()
    else:
        (workspace / "feast" / "online.db").unlink()
    materialize(workspace, redis=address)
    assert online(load_store(), ratings) == at_once
    text = load_store().get_online_features(["movie_text:movie_text_embedding"], {"movie_id": [NEW_FILM]}).to_dict()
    assert any(text["movie_text_embedding"][0])


def plant(workspace: Path) -> None:
    """A rating and a click that no door takes, landed past every door."""
    from feature_repo.offline_store.landing import land

    space, long_ago = Workspace(workspace), datetime(1900, 1, 1)
    rating = {"user_id": 1, "movie_id": 1, "rating": 1e10, "rated_at": long_ago}
    click = {"event_id": "z", "user_id": 1, "movie_id": 1, "kind": "click", "occurred_at": long_ago}
    land(pa.Table.from_pylist([rating], SCHEMAS[RATINGS]), space.events, RATINGS)
    land(pa.Table.from_pylist([click], SCHEMAS[FEEDBACK]), space.events, FEEDBACK)


def test_an_append_equals_a_full_refresh(
    built_workspace: Built, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row for row, in every table of every schema, after two appends."""
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    ratings = new_ratings(built_workspace.data)
    record(load_store(), ratings[:5])
    dbt_build(workspace, *UNTESTED)
    plant(workspace)
    record(load_store(), ratings[3:])  # two of them a second time, and equal even before
    dbt_build(workspace)
    warehouse = workspace / "warehouse" / "cinefeast.duckdb"
    appended = warehouse.rename(workspace / "appended.duckdb")
    dbt_build(workspace, "--full-refresh", *UNTESTED)
    with duckdb.connect() as connection:
        # one of the new users rated before all others, as came out later
        numbers = "select user_id, user_index from {}.core.dim_users"
        connection.execute(f"attach '{built_workspace.warehouse}' as before (read_only)")
        before = set(connection.sql(numbers.format("before")).fetchall())
        connection.execute(f"attach '{appended}' as appended (read_only); attach '{warehouse}' as anew (read_only)")
        assert before <= set(connection.sql(numbers.format("appended")).fetchall())
        tables = connection.sql(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'anew'"
        ).fetchall()
        assert len(tables) > 45
        for (table,) in tables:
            if table.endswith("_recompute_from"):  # what was to be built is not the same
                continue
            for one, other in (("appended", "anew"), ("anew", "appended")):
                left = connection.sql(f"from {one}.{table} except all from {other}.{table}").fetchall()
                assert left == [], (table, one)
        accounting = "select count_rejected from anew.reporting.rpt_row_accounting where source = 'ratings'"
        assert connection.sql(accounting).fetchall() == [(sum(built_workspace.data.rejected.values()) + 4,)]
        accounting = "select count_rejected from anew.reporting.rpt_row_accounting where source = 'feedback'"
        assert connection.sql(accounting).fetchall() == [(1,)]


def test_what_dbt_would_reject_is_refused_and_not_landed(
    built_workspace: Built, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    landed = landed_events(workspace, RATINGS)
    store, now = load_store(), datetime(2024, 1, 1, tzinfo=UTC)
    for rating, message in [
        ((1, 1, 4.2, now), "rating is not in steps of half a star"),
        ((-1, 1, 4.0, now), "user id is below 0"),
        ((1, 1, 4.0, now.replace(year=1990)), "timestamp is before 1995"),
        ((1, 1, 4.0, now.replace(tzinfo=None)), "no moment with a time zone"),
        ((1, 999_999, 4.0, now), "film 999999 has no features online"),
    ]:
        with pytest.raises(CineFeastError, match=message):
            record(store, [rating])
    assert landed_events(workspace, RATINGS) == landed
