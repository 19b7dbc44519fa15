"""No skew between training and serving, for 10,000 users and every film: `make truth`, some minutes."""

from pathlib import Path

import pytest

from dbt_project.synth import presets
from dbt_project.synth.presets import Preset
from dbt_project.synth.synth import synth
from tests.commands import dbt_build, materialize, run
from tests.features.online import compare_online_with_history
from tests.serving.servers import RedisServer

SIZE = Preset("skew", 700_000, 10_000, 3_000, 2_900, 0, "1995-01-09T11:46:44", "2023-10-12T23:59:59")

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


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_is_online_is_what_history_says(
    kind: str, workspace: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert (len(users), len(films)) == (SIZE.users, SIZE.films)
    compared = compare_online_with_history(load_store(), users, films)
    print(f"{kind}: {compared:,} values of {len(users):,} users and {len(films):,} films compared, 0 mismatches")
