"""A row online that is of a moment to come freezes its film: it is found, and mended by a command."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.offline_store.warehouse import open_warehouse
from serving.doctor.ahead import ahead_check
from tests.commands import materialize, run
from tests.conftest import TRAINED, Built, OnRedis, copy_of

COUNT = "movie_state:movie_count_ratings"
FLOATS = ("movie_mean_rating", "movie_std_rating")


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_row_that_is_ahead_is_found_and_mended(
    kind: str, built_workspace: Built, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.online_store.ahead import rows_ahead
    from feature_repo.store import load_store

    address = ""
    root = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    if kind == "redis":
        redis_demo: OnRedis = request.getfixturevalue("redis_demo")
        root, address = redis_demo.root, redis_demo.server.address
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    film, store = built_workspace.data.ratings[0][1], load_store()

    def count() -> int:
        return int(store.get_online_features([COUNT], {"movie_id": [film]}).to_dict()["movie_count_ratings"][0])

    before = count()
    assert ahead_check(store).status == "ok"
    row = store.get_online_features(
        [f"movie_state:{field.name}" for field in store.get_feature_view("movie_state").features], {"movie_id": [film]}
    ).to_dict()
    moment = datetime.now(UTC) + timedelta(days=3)
    frozen = pd.DataFrame(row).assign(movie_count_ratings=before + 1000, event_timestamp=moment)
    store.write_to_online_store("movie_state", frozen)
    materialize(root, redis=address)
    assert count() == before + 1000  # nothing that materialize has is later

    ((view, keys),) = rows_ahead(store)
    assert (view.name, [key.entity_values[0].int64_val for key in keys]) == ("movie_state", [film])
    found = ahead_check(store)
    assert (found.status, found.next) == ("wrong", "cinefeast mend-online")
    assert "1 of movie_state" in found.detail
    told = run(root, "cinefeast", "mend-online", REDIS_CONNECTION_STRING=address).stdout
    assert told.startswith("1 rows online were of a moment to come; next: ")
    materialize(root, redis=address)
    assert count() == before
    assert ahead_check(store).status == "ok"


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_film_that_is_rated_before_its_release_counts_at_once(
    kind: str, built_workspace: Built, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row which says that nobody rated it is of its release, the sums beside it are of the first rating."""
    from feature_repo.events import Rating, RatingRecorder
    from feature_repo.running import unrated
    from feature_repo.store import load_store

    root, address = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED), ""
    if kind == "redis":
        redis_demo: OnRedis = request.getfixturevalue("redis_demo")
        root, address = redis_demo.root, redis_demo.server.address
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    with open_warehouse(str(root / "warehouse" / "cinefeast.duckdb")) as connection:
        unrated_films = "select min(movie_id) from core.dim_movies where first_rated_at is null"
        [(film,)] = connection.sql(unrated_films).fetchall()
    store, release = load_store(), datetime(2018, 1, 1, tzinfo=UTC)
    row = pd.DataFrame([{"movie_id": film, "event_timestamp": release} | unrated()])
    store.write_to_online_store("movie_state", row.astype(dict.fromkeys(FLOATS, "float32")))
    before = release - timedelta(days=30)
    for user in (1, 2):
        RatingRecorder(store).record([Rating(user, film, 2.0 * user, before + timedelta(days=user))])
    names = ["movie_count_ratings", "movie_mean_rating", "movie_std_rating", "movie_count_ratings_90d"]
    found = store.get_online_features([f"movie_state:{name}" for name in names], {"movie_id": [film]}).to_dict()
    assert [found[name] for name in names] == [[2], [3.0], [1.0], [2]]
