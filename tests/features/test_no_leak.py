"""No feature knows anything of its own moment or later: every feature of every label against the oracle."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.conftest import Built
from tests.features.compiled import CompiledProject
from tests.features.film_facts import film_facts
from tests.features.oracle import accepted, movie_features, same, user_features
from tests.fixtures import Rating

DAY = 86_400
QUARTER = int(datetime(2016, 4, 1, tzinfo=UTC).timestamp())
# around a day's and a quarter's end, 90 days on to the second, and years before and after
MOMENTS = [
    QUARTER + second
    for second in (
        -400 * DAY,
        -90 * DAY,
        -2,
        -1,
        0,
        1,
        DAY - 1,
        DAY,
        89 * DAY,
        90 * DAY - 1,
        90 * DAY,
        90 * DAY + 1,
        700 * DAY,
    )
]
FILMS = (1, 4, 7, 46, 34, 61, 283, 91)  # two of one director; without document, genres, year
FEATURES = [
    "user_state:*", "user_sequence:*", "user_history:*", "movie_state:*", "movie_influence:*",
]  # fmt: skip


def in_services(store: Any) -> list[str]:
    """Every feature of a view that some service has, as the registry has them: all that a model or an answer reads."""
    views = {view.name: view for view in store.list_batch_feature_views()}
    named = {one.name for service in store.list_feature_services() for one in service.feature_view_projections}
    return [f"{name}:{field.name}" for name in sorted(named & views.keys()) for field in views[name].features]


def ratings() -> st.SearchStrategy[list[Rating]]:
    """Events in the order of a file: ties in one second, gaps, films rated again, the late ones anywhere."""
    moment = st.sampled_from(MOMENTS) | st.integers(QUARTER - 3, QUARTER + 3)
    stars = st.integers(1, 10).map(lambda half: half / 2)
    event = st.tuples(st.integers(1, 3), st.sampled_from(FILMS), stars, moment)
    return st.lists(event, min_size=1, max_size=70)


class World:
    """What stays while the ratings change. No dataclass: hypothesis would print all of it with each failure."""

    def __init__(self, built: Built) -> None:
        self.built = built
        self.project = CompiledProject(built.root)
        self.films = film_facts(built.data)


@pytest.fixture(scope="module")
def world(built_workspace: Built) -> World:
    return World(built_workspace)


def open_store(built: Built, warehouse: Path) -> Any:
    """A store with the views of the built workspace over another warehouse."""
    from feast import FeatureStore, RepoConfig

    return FeatureStore(
        config=RepoConfig(
            project="cinefeast",
            provider="local",
            registry=str(built.root / "feast" / "registry.db"),
            offline_store={
                "type": "feature_repo.offline_store.store.WarehouseOfflineStore", "warehouse": str(warehouse)
            },
            online_store={"type": "sqlite", "path": str(warehouse.with_suffix(".online"))},
            entity_key_serialization_version=3,
        )
    )  # fmt: skip


def all_features(store: Any) -> list[str]:
    """Every feature of every view that events change."""
    names = {reference.split(":")[0] for reference in FEATURES}
    return [f"{v.name}:{f.name}" for v in store.list_batch_feature_views() if v.name in names for f in v.features]


def known_at(world: World, events: list[Rating], asked: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """The features of users and films at moments, from a warehouse of these events."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "cinefeast.duckdb"
        world.project.build(warehouse, events)
        store = open_store(world.built, warehouse)
        frame = pd.DataFrame(asked, columns=["user_id", "movie_id", "at"])
        frame["event_timestamp"] = pd.to_datetime(frame.pop("at"), unit="s", utc=True)
        return list(store.get_historical_features(frame, in_services(store)).to_arrow().to_pylist())


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(events=ratings(), data=st.data())
def test_what_comes_later_changes_no_feature(events: list[Rating], data: st.DataObject, world: World) -> None:
    """The same at a moment, whether what came from then on has happened or not: for features that nobody named here."""
    cut = data.draw(st.sampled_from(sorted({at for *_, at in events})), "the moment")
    before = [event for event in events if event[3] < cut]
    assume(before)
    asked = sorted({(user, film, min(at, cut)) for user, film, _, at in events} | {(1, film, cut) for film in FILMS})
    assert known_at(world, before, asked) == known_at(world, events, asked)


def test_a_film_without_a_year_is_known_alike_whether_it_will_be_rated_or_not(world: World) -> None:
    undated = next(film for film in FILMS if world.films[film].shown_at is None)
    before = [(1, FILMS[0], 2.0, QUARTER - 90 * DAY)]
    asked = [(1, undated, QUARTER)]
    assert known_at(world, before, asked) == known_at(world, [*before, (2, undated, 4.5, QUARTER + DAY)], asked)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(events=ratings())
def test_every_label_sees_exactly_what_was_before_it(events: list[Rating], world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "cinefeast.duckdb"
        world.project.build(warehouse, events)
        store = open_store(world.built, warehouse)
        asked = [(user, film, at) for user, film, _, at in events]
        asked += [(user, film, at + 1) for user, film, at in asked] + [(1, film, MOMENTS[-1] + 5) for film in FILMS]
        frame = pd.DataFrame(asked, columns=["user_id", "movie_id", "at"])
        frame["event_timestamp"] = pd.to_datetime(frame.pop("at"), unit="s", utc=True)
        found = store.get_historical_features(frame, all_features(store)).to_arrow().to_pylist()
    known = accepted(events)
    genres = {film: facts.genres for film, facts in world.films.items()}
    for (user, film, at), row in zip(asked, found, strict=True):
        expected = user_features(known, user, at, genres) | movie_features(known, film, at, world.films)
        wrong = {name: (row[name], value) for name, value in expected.items() if not same(row[name], value)}
        assert not wrong, (user, film, at)
