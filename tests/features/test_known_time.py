"""What was known at a label: no rating before it arrived, however early it was given."""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from feature_repo.offline_store import point_in_time
from tests.conftest import Built
from tests.features.compiled import Pushed
from tests.features.oracle import MOVIE_FEATURES, accepted, influence, movie_features, same, user_features
from tests.features.test_no_leak import DAY, FILMS, MOMENTS, World, open_store, ratings
from tests.fixtures import Rating

SECOND = 1_000_000
FEATURES = ["user_state", "user_sequence", "user_history", "movie_state", "movie_influence"]
# a clock that is ahead, within the second, a second, to the microsecond the next event's, a day, for years
DELAYS = [-SECOND, 0, 1, 400_000, SECOND, 3 * SECOND, DAY * SECOND, 90 * DAY * SECOND, 1500 * DAY * SECOND]
QUICK = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def pushed() -> st.SearchStrategy[list[Pushed]]:
    """Ratings that come in one by one, some of them late, some a second time, in the order of arrival."""
    delays = st.lists(st.sampled_from(DELAYS), min_size=40, max_size=40)
    again = st.lists(st.integers(0, 39), max_size=3)

    def landed(drawn: tuple[list[Rating], list[int], list[int]]) -> list[Pushed]:
        events, waits, repeated = drawn
        first = [(event, event[3] * SECOND + wait) for event, wait in zip(events, waits, strict=False)]
        # sent once more, and changed: it is known already, and the first one counts
        more = [
            ((*first[n][0][:2], 5.0, first[n][0][3]), first[n][1] + DAY * SECOND) for n in repeated if n < len(first)
        ]
        return sorted(first + more, key=lambda one: one[1])

    return st.tuples(ratings(), delays, again).map(landed)


def known_when(archive: list[Rating], events: Sequence[Pushed]) -> list[tuple[Rating, int]]:
    """Each accepted rating with the microsecond from which it was known."""
    known: dict[tuple[int, int, int], tuple[Rating, int]] = {}
    for rating, landed_at in [*((rating, 0) for rating in archive), *events]:
        known.setdefault((rating[0], rating[1], rating[3]), (rating, max(landed_at, rating[3] * SECOND)))
    return list(known.values())


def movie_known(rated: list[Rating], by_then: list[Rating], film: int, at: float, world: World) -> dict[str, Any]:
    """A film's features: what had arrived by then of all that was rated; that there is a film is a fact of its own."""
    expected = movie_features(by_then, film, at, world.films)
    if movie_features(rated, film, at, world.films)["movie_count_ratings"] is None:
        return dict.fromkeys(MOVIE_FEATURES)
    expected["movie_count_ratings"] = expected["movie_count_ratings"] or 0
    expected["movie_count_ratings_90d"] = expected["movie_count_ratings_90d"] or 0
    return {name: expected[name] for name in MOVIE_FEATURES}


@pytest.fixture(scope="module")
def world(built_workspace: Built) -> World:
    return World(built_workspace)


def asked_of(archive: list[Rating], events: Sequence[Pushed]) -> list[tuple[int, int, int]]:
    """Users, films and microseconds: at each rating and each arrival, just after either, and at the end."""
    moments = [(rating, rating[3] * SECOND) for rating in archive] + [(rating, at) for rating, at in events]
    moments += [(rating, rating[3] * SECOND) for rating, _ in events]
    asked = {(user, film, at + more) for (user, film, *_), at in moments for more in (0, 1, SECOND)}
    return sorted(asked) + [(1, film, (MOMENTS[-1] + 3000 * DAY) * SECOND) for film in FILMS]


def frame_of(asked: list[tuple[int, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(asked, columns=["user_id", "movie_id", "at"])
    frame["event_timestamp"] = pd.to_datetime(frame.pop("at"), unit="us", utc=True)
    return frame


def features_of(store: Any, views: Sequence[str] = tuple(FEATURES)) -> list[str]:
    return [f"{name}:{field.name}" for name in views for field in store.get_feature_view(name).features]


@pytest.mark.parametrize("pruned", [0, 10**9], ids=["pruned", "whole"])
@QUICK
@given(archive=ratings(), events=pushed())
def test_a_label_sees_what_had_arrived_and_nothing_else(
    archive: list[Rating], events: list[Pushed], pruned: int, world: World
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(point_in_time, "PRUNED", pruned)
        warehouse = Path(folder) / "cinefeast.duckdb"
        world.project.build(warehouse, archive, events)
        store = open_store(world.built, warehouse)
        asked = asked_of(archive, events)
        job = store.get_historical_features(frame_of(asked), features_of(store), filter_by_created_timestamp=True)
        found = job.to_arrow().to_pylist()
    known = known_when(archive, events)
    rated = accepted([rating for rating, _ in known])
    genres = {film: facts.genres for film, facts in world.films.items()}
    arrived: Any = [(*rating[:3], known_at / SECOND) for rating, known_at in known]
    for (user, film, microsecond), row in zip(asked, found, strict=True):
        at = microsecond / SECOND
        by_then = accepted([rating for rating, known_at in known if known_at < microsecond])
        expected = user_features(by_then, user, at, genres) | movie_known(rated, by_then, film, at, world)
        expected |= influence(arrived, film, at, world.films)  # counts from the quarter after its arrival
        wrong = {name: (row[name], value) for name, value in expected.items() if not same(row[name], value)}
        assert not wrong, (user, film, microsecond)


@pytest.fixture(scope="module")
def late(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of the made-up archive, of which each twentieth rating was pushed, for up to a year late."""
    path = tmp_path_factory.mktemp("late") / "cinefeast.duckdb"
    world.project.build(path, *late_pushes(world))
    return path


def labels(warehouse: Path) -> pd.DataFrame:
    """Each label at its moment, a day and 100 days later."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        frame = connection.sql("select user_id, movie_id, event_timestamp from training.training_labels").df()
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_localize("UTC")
    return pd.concat([frame.assign(event_timestamp=frame["event_timestamp"] + timedelta(d)) for d in (0, 1, 100)])


@pytest.mark.parametrize("view", ["user_state", "movie_state"])
def test_states_and_versions_together_are_what_stock_feast_filters(
    view: str, late: Path, world: World, tmp_path: Path
) -> None:
    """Rows with the moment of their last arrival, and earlier versions of them, in one table behind stock Feast."""
    from feast import FeatureStore, FeatureView, FileSource, RepoConfig

    ours = open_store(world.built, late)
    source, key = ours.get_feature_view(view).batch_source, ours.get_feature_view(view).join_keys[0]
    made = "".join(f", {source.feature_sql(feature, str)} as {feature}" for feature in source.computed)
    with duckdb.connect(str(late), read_only=True) as connection:
        created = "coalesce(a.created_at + interval 1 microsecond, s.event_timestamp) as created_at"
        arrived = (
            f"select s.{key}, s.event_timestamp, max(greatest(r.rated_at, r.landed_at)) as created_at "
            f"from {source.table} as s join core.fct_ratings as r on r.{key} = s.{key} "
            "and r.rated_at < s.event_timestamp group by all"
        )
        connection.execute(
            f"copy (select *{made} from (select s.*, {created} from {source.table} as s "
            f"left join ({arrived}) as a using ({key}, event_timestamp) "
            f"union by name select * exclude (late_from) from {source.versions})) to '{tmp_path / 'rows.parquet'}'"
        )
        (versions,) = connection.sql(f"select count(*) from {source.versions}").fetchone() or (0,)
    assert versions > 500
    stock = FeatureStore(config=RepoConfig(
        project="p", provider="local", entity_key_serialization_version=3, registry=str(tmp_path / "r.db"),
        offline_store={"type": "duckdb"}, online_store={"type": "sqlite", "path": str(tmp_path / "o.db")},
    ))  # fmt: skip
    rows = FileSource(name="rows", path=str(tmp_path / "rows.parquet"), timestamp_field="event_timestamp",
                      created_timestamp_column="created_at")  # fmt: skip
    twin = FeatureView(name=view, entities=[ours.get_entity(key.removesuffix("_id"))], source=rows,
                       schema=ours.get_feature_view(view).schema)  # fmt: skip
    stock.apply([ours.get_entity(key.removesuffix("_id")), twin])
    frame = labels(late)[[key, "event_timestamp"]].drop_duplicates().reset_index(drop=True)
    answers = []
    for is_filtered in (True, False):
        for store in (ours, stock):
            table = store.get_historical_features(
                frame.copy(), features_of(ours, [view]), filter_by_created_timestamp=is_filtered
            ).to_arrow()
            answers.append(sorted(map(repr, table.select(sorted(table.column_names)).to_pylist())))
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    assert answers[0] != answers[2]


def test_without_late_ratings_there_are_no_versions_and_nothing_differs(built_workspace: Built) -> None:
    store = open_store(built_workspace, built_workspace.warehouse)
    with duckdb.connect(str(built_workspace.warehouse), read_only=True) as connection:
        for table in ("feat_user_state_versions", "feat_movie_state_versions", "feat_user_arrivals"):
            assert connection.sql(f"select count(*) from features.{table}").fetchone() == (0,), table
    names = [*FEATURES, "user_profile", "movie_recent"]
    job = [store.get_historical_features(labels(built_workspace.warehouse), features_of(store, names), **options)
           for options in ({}, {"filter_by_created_timestamp": True})]  # fmt: skip
    assert job[0].to_arrow() == job[1].to_arrow()


def late_pushes(world: World) -> tuple[list[Rating], list[Pushed]]:
    """What the warehouse `late` is made of."""
    ratings = world.built.data.ratings
    events = [(rating, rating[3] * SECOND + n * 7919 % (365 * DAY) * SECOND // 3 + 400_000)
              for n, rating in enumerate(ratings) if n % 20 == 0]  # fmt: skip
    return [rating for n, rating in enumerate(ratings) if n % 20], sorted(events, key=lambda one: one[1])


@pytest.mark.parametrize("clock", ["known", "event"])
def test_training_reads_what_serving_would_have_read(
    clock: str, late: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label does not see a rating that arrived after it, unless training is told to go by event time."""
    from models.dataset import Dataset

    monkeypatch.setenv("CINEFEAST_TRAINING_TIME", clock)
    data = Dataset(open_store(world.built, late))
    given = data.interactions().to_pandas()
    assert len(given) == len(world.built.data.ratings)
    found = data.features(["user_state:user_count_ratings", "movie_state:movie_count_ratings"], given)
    known = {"user": defaultdict(list), "movie": defaultdict(list)}  # type: ignore[var-annotated]
    for rating, at in known_when(*late_pushes(world)):
        seen_from = at if clock == "known" else rating[3] * SECOND
        known["user"][rating[0]].append(seen_from)
        known["movie"][rating[1]].append(seen_from)
    moments = given["event_timestamp"].astype("datetime64[us]").astype("int64")
    for name in known:
        wanted = [sum(at < moment for at in known[name][key])
                  for key, moment in zip(given[f"{name}_id"], moments, strict=True)]  # fmt: skip
        assert [count or 0 for count in found[f"{name}_count_ratings"].to_pylist()] == wanted
    histories = data.histories("recall_history_v1", "train").to_pylist()
    cut = int(data.cut_off("train").timestamp() * SECOND)
    assert {row["user_id"]: len(row["user_seen_movie_ids"]) for row in histories} == {
        user: count for user, times in known["user"].items() if (count := sum(at < cut for at in times))
    }


def test_training_says_so_where_a_history_was_pushed(world: World, late: Path, tmp_path: Path) -> None:
    from models.dataset import Dataset
    from models.train import late_history

    assert late_history(Dataset(open_store(world.built, late))) is None
    archive, events = (
        world.built.data.ratings[:5],
        [(one, 1_900_000_000 * SECOND) for one in world.built.data.ratings[5:]],
    )
    world.project.build(tmp_path / "cinefeast.duckdb", archive, events)
    told = late_history(Dataset(open_store(world.built, tmp_path / "cinefeast.duckdb")))
    assert told is not None
    assert told.startswith(f"{len(events):,} of {len(events) + 5:,} ratings came over 1 day after they were given")
    assert told.endswith("export CINEFEAST_TRAINING_TIME=event")


def test_a_user_and_a_films_last_rows_are_known_from_their_arrival(world: World, tmp_path: Path) -> None:
    """A new user whose only rating came late has no profile before; a film's last row waits for the last arrival."""
    at, arrived = MOMENTS[4], MOMENTS[4] * SECOND + DAY * SECOND
    warehouse = tmp_path / "cinefeast.duckdb"
    world.project.build(warehouse, [(1, FILMS[0], 4.0, at - 1)], [((9, FILMS[0], 3.0, at), arrived)])
    store = open_store(world.built, warehouse)
    asked = frame_of([(9, FILMS[0], arrived), (9, FILMS[0], arrived + 1)])
    names = ["user_profile:user_index", "movie_recent:movie_sum_half_stars"]
    for is_filtered, expected in ((False, [1, 1]), (True, [None, 1])):
        table = store.get_historical_features(asked, names, filter_by_created_timestamp=is_filtered).to_arrow()
        assert table["user_index"].to_pylist() == expected
        assert table["movie_sum_half_stars"].to_pylist() == [value and 14 for value in expected]
