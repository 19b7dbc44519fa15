"""No skew between training and serving, for 10,000 users and every film: `make truth`, some minutes."""

import random
from collections import Counter
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from dbt_project.synth import presets
from dbt_project.synth.presets import Preset
from dbt_project.synth.synth import synth
from tests.commands import dbt_build, materialize, run
from tests.features.online import compare, compare_online_with_history
from tests.serving.servers import RedisServer

SIZE = Preset("skew", 700_000, 10_000, 3_000, 2_900, 0, "1995-01-09T11:46:44", "2023-10-12T23:59:59")

EVENTS = 2_000
RENEWED = ("user_state", "user_sequence", "user_history", "movie_state", "movie_recent")

pytestmark = [pytest.mark.slow, pytest.mark.scale]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, out = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("synth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, SIZE.name, SIZE)
        made = synth(SIZE.name, 0, out)
    run(root, "cinefeast", "fetch", "ml-32m", "--archive", str(made.archive))
    run(root, "cinefeast", "collect", "--from", str(made.documents))
    run(root, "cinefeast", "embed")
    dbt_build(root)
    return root


def new_ratings(connection: duckdb.DuckDBPyConnection, films: list[int], seed: int) -> tuple[list[Any], Counter[str]]:
    """Ratings of known users: a new one, one that comes late, one of a film that was rated before, one sent again."""
    from feature_repo.events import Rating

    draw, counts = random.Random(seed), Counter[str]()
    query = "select user_id, movie_id, rated_at from core.fct_ratings order by hash(rating_id + ?), rating_id limit ?"
    rated = connection.execute(query, [seed, EVENTS]).fetchall()
    last = connection.sql("select max(rated_at) from core.fct_ratings").fetchall()[0][0]
    made: list[Any] = []
    for n, (user, film, at) in enumerate(rated):
        kind = ("new", "late", "corrected", "sent again")[n % 4]
        counts[kind] += 1
        moment = (at if kind == "late" else last) + timedelta(seconds=n + 1)
        new = Rating(user, draw.choice(films), draw.randint(1, 10) / 2, moment.replace(tzinfo=UTC))
        if kind == "corrected":
            new = Rating(user, film, new.rating, new.rated_at)
        made.append(made[-1] if kind == "sent again" else new)
    return made, counts


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_is_online_is_what_history_says(
    kind: str, workspace: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the archive; then at once after ratings that came late, corrected or twice; then as materialized."""
    from feature_repo.events import RatingRecorder
    from feature_repo.offline_store.warehouse import open_warehouse
    from feature_repo.store import load_store

    address = redis_server.address if kind == "redis" else ""
    redis_server.flush()
    materialize(workspace, redis=address)
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(workspace))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    with open_warehouse(str(workspace / "warehouse" / "cinefeast.duckdb")) as connection:
        users, films = (
            [id_ for (id_,) in connection.sql(f"select {key} from core.dim_{name} order by 1").fetchall()]
            for key, name in (("user_id", "users"), ("movie_id", "movies"))
        )
        ratings, counts = new_ratings(connection, films, len(address))
    assert (len(users), len(films)) == (SIZE.users, SIZE.films)
    of_archive = compare_online_with_history(load_store(), users, films)

    recorder = RatingRecorder(load_store())
    for first in range(0, EVENTS, 50):
        recorder.record(ratings[first : first + 50])
    dbt_build(workspace)
    store = load_store()
    touched = pd.DataFrame({"user_id": [r.user_id for r in ratings], "movie_id": [r.movie_id for r in ratings]})
    views = [[f"{name}:{field.name}" for field in store.get_feature_view(name).features] for name in RENEWED]
    at_once = sum(compare(store, features, touched.drop_duplicates()) for features in views)
    materialize(workspace, redis=address)
    compared = compare_online_with_history(load_store(), users, films)
    print(
        f"{kind}: {of_archive:,} values of {len(users):,} users and {len(films):,} films compared, {at_once:,} at once "
        f"after {EVENTS:,} ratings ({dict(counts)}), {compared:,} as then materialized, 0 mismatches"
    )
