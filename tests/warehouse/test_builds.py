"""A build is a transaction: it waits for another, takes in all that was landed, and publishes what was tested."""

import json
import multiprocessing
import os
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from dbt_project.build_inputs import BuildInputs
from dbt_project.errors import CineFeastError
from dbt_project.events.append import append
from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.events.seal import seal_events
from dbt_project.ingest.landing import landing
from dbt_project.publish import publish, remove_leftovers
from dbt_project.workspace import Workspace
from tests.commands import BIN, REPOSITORY, UNTESTED, environment_of, run
from tests.conftest import TRAINED, Built, copy_of
from tests.serving.servers import wait_for
from tests.warehouse.test_warehouse import rows

EARLIER = "20190101T000000.000000-0123abcd.parquet"
LATER = datetime(2018, 12, 1)
AHEAD = datetime(2019, 6, 1)
"""Long past now, and in the future when the file EARLIER was landed, as its name tells."""


def pushed(built: Built, count: int, second: int) -> pa.Table:
    """Ratings of one user and the first films."""
    row = {"user_id": built.data.ratings[0][0], "rating": 4.5, "rated_at": LATER.replace(second=second)}
    films = [film.movie_id for film in built.data.films[:count]]
    return pa.Table.from_pylist([row | {"movie_id": film} for film in films], SCHEMAS[RATINGS])


@pytest.fixture(scope="module")
def appended(built_workspace: Built, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """After a build that waited for another one, and appended; and what it printed.

    Before it started ten ratings were landed, and four in a file with a name from long ago, one of them in its future;
    while it waited, five.
    """
    space = Workspace(copy_of(built_workspace.root, tmp_path_factory.mktemp("builds") / "workspace", *TRAINED))
    append(space.events / RATINGS, pushed(built_workspace, 10, 1))
    ahead = pushed(built_workspace, 1, 4).to_pylist()[0] | {"rated_at": AHEAD}
    earlier = [*pushed(built_workspace, 3, 2).to_pylist(), ahead]
    pq.write_table(pa.Table.from_pylist(earlier, SCHEMAS[RATINGS]), space.events / RATINGS / EARLIER)
    dead = multiprocessing.get_context("fork").Process(target=str)
    dead.start()
    dead.join()
    (space.warehouse.with_name(f"{space.warehouse.name}.0badf00d.part")).write_text("half a copy")
    (space.warehouse.with_name(f"{space.warehouse.name}.spill-{dead.pid}-0badf00d")).mkdir()
    (space.warehouse.with_name(f"{space.warehouse.name}.spill-{os.getpid()}-0badf00d")).mkdir()
    before = space.build.stat()
    printed = space.root / "dbt.txt"
    folders = {"DBT_TARGET_PATH": str(space.root / "dbt_target"), "DBT_LOG_PATH": str(space.root / "dbt_logs")}
    with FileLock(space.build.with_name(".lock")), printed.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "dbt"), "build"],
            cwd=REPOSITORY / "dbt_project",
            env=environment_of(space.root, **folders),
            stdout=output,
        )
        wait_for(lambda: "another dbt command works on" in printed.read_text(), "the build tells that it waits")
        assert space.build.stat() == before
        append(space.events / RATINGS, pushed(built_workspace, 5, 3))
    assert process.wait() == 0, printed.read_text()
    return space, printed.read_text()


def test_a_build_beside_another_waits_and_says_so(appended: tuple[Workspace, str]) -> None:
    space, printed = appended
    assert printed.count("this one goes on when that has ended") == 1
    assert f"published {space.warehouse}" in printed


def test_what_was_landed_under_an_earlier_name_is_taken_in(
    built_workspace: Built, appended: tuple[Workspace, str]
) -> None:
    """It is appended with the rest, once; read = accepted + rejected, counted at the source."""
    space, printed = appended
    assert "UNCHANGED" in printed  # it was an append
    accepted = len(built_workspace.data.ratings) + 18
    assert rows(space.warehouse, "select count(*) from core.fct_ratings") == [(accepted,)]
    rejected = sum(built_workspace.data.rejected.values()) + 1
    accounting = "select * exclude (source) from reporting.rpt_row_accounting where source = 'ratings'"
    assert rows(space.warehouse, accounting) == [(accepted + rejected, accepted, rejected, 0, 0, 0)]
    landed = rows(space.warehouse, "select landed_file, count_rows from reporting.rpt_landed_files")
    assert (EARLIER, 4) in landed
    assert sorted(count for _, count in landed) == [4, 15]


def test_the_future_is_that_of_the_arrival(appended: tuple[Workspace, str]) -> None:
    """Judged by the moment of a build, the rating would be rejected by one and accepted by a later full refresh."""
    found = rows(appended[0].warehouse, "select reason from core.rejected_rows where raw like '%2019-06-01%'")
    assert found == [("timestamp is in the future",)]


def test_what_killed_processes_left_is_gone(appended: tuple[Workspace, str]) -> None:
    """A reader that lives, as this process does, keeps what it spilled."""
    space, _ = appended
    left = [path.name for path in space.warehouse.parent.glob(f"{space.warehouse.name}.*")]
    assert left == [f"{space.warehouse.name}.spill-{os.getpid()}-0badf00d"]


def test_dbt_test_tests_everything_after_an_append(appended: tuple[Workspace, str], tmp_path: Path) -> None:
    """In an append the old ratings are left out, as they were tested; in `dbt test` nothing is."""
    space = Workspace(copy_of(appended[0].root, tmp_path / "workspace"))
    asked = ("--select", "unique_fct_ratings_rating_id", "assert_every_landed_rating_is_taken_in")
    run(space.root, "dbt", "test", *asked, folder="dbt_project")
    with duckdb.connect(str(space.build)) as connection:
        connection.execute("insert into core.fct_ratings select * from core.fct_ratings order by rating_id limit 100")
    segment = appended[0].events / RATINGS / EARLIER  # views have the path of the workspace that they were built in
    segment.rename(segment.with_suffix(".aside"))
    try:
        found = run(space.root, "dbt", "test", *asked, folder="dbt_project", check=False)
    finally:
        segment.with_suffix(".aside").rename(segment)
    assert "FAIL 100 unique_fct_ratings_rating_id" in found.stdout
    assert "FAIL 1 assert_every_landed_rating_is_taken_in" in found.stdout


def test_what_was_not_tested_is_not_published(appended: tuple[Workspace, str], tmp_path: Path) -> None:
    space = Workspace(copy_of(appended[0].root, tmp_path / "workspace"))
    before = space.warehouse.stat().st_ino
    built = run(space.root, "dbt", "run", folder="dbt_project")
    assert "node(s) were left out" in built.stdout
    assert "next: dbt build" in built.stdout
    assert space.warehouse.stat().st_ino == before
    run(space.root, "dbt", "build", *UNTESTED, folder="dbt_project")
    assert space.warehouse.stat().st_ino != before


def small_warehouse(space: Workspace) -> BuildInputs:
    """A build file with a table and a view, and what it was built from."""
    space.raw_movielens.mkdir(parents=True)
    (space.raw_movielens / "manifest.json").write_text("{}")
    seal_events(space)
    space.build.parent.mkdir(parents=True)
    with duckdb.connect(str(space.build)) as connection:
        connection.execute("create table facts as select 1 as id union all select 2")
        connection.execute("create view seen as select 1 as id")
    space.warehouse.write_text("the last good one")
    return BuildInputs.of(space)


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ({"main.facts": 2, "main.seen": None, "main.labels": 2}, "1 of 3 tables .* main.labels with 2 rows"),
        ({"main.facts": 3, "main.seen": None}, "1 of 2 tables .* main.facts with 3 rows"),
        ({"main.facts": 2, "main.gone": None}, "1 of 2 tables .* main.gone with None rows"),
    ],
)
def test_a_file_that_is_not_what_was_built_is_not_published(
    tmp_path: Path, built: dict[str, int | None], said: str
) -> None:
    """As the second of two overlapping builds left it to the first: an empty file was published, with exit 0."""
    space = Workspace(tmp_path)
    inputs = small_warehouse(space)
    with pytest.raises(CineFeastError, match=said):
        publish(space, inputs, built)
    assert space.warehouse.read_text() == "the last good one"
    remove_leftovers(space)
    assert sorted(path.name for path in space.warehouse.parent.iterdir()) == ["build", space.warehouse.name]


def test_data_that_changed_under_a_build_is_not_published(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    inputs = small_warehouse(space)
    (space.raw_movielens / "manifest.json").write_text(json.dumps({"another": "fetch"}))
    with pytest.raises(CineFeastError, match="changed while they were read; next: dbt build"):
        publish(space, inputs, {"main.facts": 2})
    assert space.warehouse.read_text() == "the last good one"
    publish(space, BuildInputs.of(space), {"main.facts": 2, "main.seen": None})
    assert rows(space.warehouse, "select count(*) from facts") == [(2,)]


def test_what_a_killed_fetch_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    raw = space.raw_movielens.parent
    for name in (".movielens-shown", ".movielens-before", ".movielens-building"):
        (raw / name).mkdir(parents=True)
    (raw / ".movielens-link-1").symlink_to(".movielens-before")
    space.raw_movielens.symlink_to(".movielens-shown")
    with landing(space) as building:
        assert sorted(path.name for path in raw.iterdir() if path != building) == [
            ".landing.lock", ".movielens-shown", "movielens"
        ]  # fmt: skip
