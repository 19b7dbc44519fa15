"""The warehouse that `dbt build` makes: rejected rows, accounting, publishing."""

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from dbt_project.failed_nodes import failed_nodes
from dbt_project.workspace import Workspace
from tests.commands import BIN, REPOSITORY, UNTESTED, dbt_build, run
from tests.conftest import TRAINED, Built, copy_of
from tests.serving.servers import wait_for


def rows(warehouse: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.sql(query).fetchall()


def test_every_bad_line_is_kept_with_its_reason(built_workspace: Built) -> None:
    found = rows(built_workspace.warehouse, "select reason from core.rejected_rows where source = 'ratings'")
    assert Counter(reason for (reason,) in found) == Counter(built_workspace.data.rejected)


def test_the_facts_are_the_good_lines(built_workspace: Built) -> None:
    found = rows(
        built_workspace.warehouse,
        "select user_id, movie_id, rating, epoch(rated_at)::bigint from core.fct_ratings order by rating_id",
    )
    assert found == built_workspace.data.ratings


def test_read_is_accepted_and_rejected(built_workspace: Built) -> None:
    accounting = {
        source: counts
        for source, *counts in rows(built_workspace.warehouse, "select * from reporting.rpt_row_accounting")
    }
    data = built_workspace.data
    rejected = sum(data.rejected.values())
    documents = data.documents + data.bad_documents
    assert accounting["ratings"] == [data.rating_lines, len(data.ratings), rejected, 0, 0, 0]
    assert accounting["tmdb_documents"] == [documents, data.documents, data.bad_documents, 0, 0, 0]
    assert all(read == sum(parts) for read, *parts in accounting.values())


def test_names_in_any_script_reach_the_star_schema(built_workspace: Built) -> None:
    names = {name for (name,) in rows(built_workspace.warehouse, "select person_name from core.dim_people")}
    assert any(not name.isascii() for name in names)


def test_a_failing_build_leaves_the_published_warehouse(built_workspace: Built, tmp_path: Path) -> None:
    """A source that is gone fails the build; what was published before still stands."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "tmdb").symlink_to((built_workspace.root / "raw" / "tmdb").resolve())
    landed = raw / "movielens"
    landed.mkdir()
    for file in (built_workspace.root / "raw" / "movielens").iterdir():
        if file.name != "ratings.parquet":
            (landed / file.name).symlink_to(file.resolve())
    published = tmp_path / "warehouse" / "cinefeast.duckdb"
    published.parent.mkdir()
    published.write_bytes(b"the last good one")
    result = run(tmp_path, "dbt", "build", *UNTESTED, folder="dbt_project", check=False)
    assert result.returncode != 0
    assert "not published" in result.stdout
    assert published.read_bytes() == b"the last good one"
    assert "stg_movielens__ratings" in failed_nodes(Workspace(tmp_path))


def test_dbt_without_a_landed_data_set_says_what_to_run(tmp_path: Path) -> None:
    result = run(tmp_path, "dbt", "build", folder="dbt_project", check=False)
    assert "next: cinefeast fetch ml-100k" in result.stdout + result.stderr


def test_a_relative_workspace_is_refused_by_dbt(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        "dbt",
        "build",
        folder="dbt_project",
        check=False,
        CINEFEAST_WORKSPACE="somewhere",
        DBT_TARGET_PATH=str(tmp_path / "target"),
    )
    assert 'next: export CINEFEAST_WORKSPACE="$PWD/somewhere"' in result.stdout + result.stderr


@pytest.mark.slow
def test_a_killed_build_leaves_the_published_warehouse_and_the_next_one_works(
    built_workspace: Built, tmp_path: Path
) -> None:
    shutil.copytree(built_workspace.root / "raw", tmp_path / "raw", symlinks=True)
    (tmp_path / "warehouse").mkdir()
    published = tmp_path / "warehouse" / "cinefeast.duckdb"
    shutil.copy(built_workspace.warehouse, published)
    before = published.stat().st_ino
    building = tmp_path / "warehouse" / "build" / "cinefeast.duckdb"
    process = subprocess.Popen(
        [str(BIN / "dbt"), "build", *UNTESTED],
        cwd=REPOSITORY / "dbt_project",
        env={**os.environ, "CINEFEAST_WORKSPACE": str(tmp_path), "DBT_TARGET_PATH": str(tmp_path / "target")},
        stdout=subprocess.DEVNULL,
    )
    wait_for(building.exists, "dbt starts to build")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert published.stat().st_ino == before
    assert rows(published, "select count(*) from core.fct_ratings") == [(len(built_workspace.data.ratings),)]
    dbt_build(tmp_path, *UNTESTED)
    assert published.stat().st_ino != before
    assert rows(published, "select count(*) from core.fct_ratings") == [(len(built_workspace.data.ratings),)]


def test_a_landed_file_that_is_half_written_is_named_and_nothing_is_lost(
    built_workspace: Built, tmp_path: Path
) -> None:
    workspace = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    folder = workspace / "raw" / "events" / "user_movie_rating"
    whole = next(folder.glob("*.parquet"))
    half = folder / "20240101T000000.000000-0badf00d.parquet"
    half.write_bytes(whole.read_bytes()[:100])
    before = (workspace / "warehouse" / "cinefeast.duckdb").stat().st_ino
    failed = run(workspace, "dbt", "build", *UNTESTED, folder="dbt_project", check=False)
    assert failed.returncode != 0
    assert f"{half} is not a whole parquet file" in failed.stdout
    assert f"next: mv {half} {half}.bad" in failed.stdout
    assert (workspace / "warehouse" / "cinefeast.duckdb").stat().st_ino == before
    half.rename(f"{half}.bad")
    dbt_build(workspace, *UNTESTED)


def test_a_part_of_the_project_is_not_published(built_workspace: Built, tmp_path: Path) -> None:
    workspace = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    before = (workspace / "warehouse" / "cinefeast.duckdb").stat().st_ino
    built = run(workspace, "dbt", "build", "--select", "feat_user_profile", folder="dbt_project")
    assert "node(s) were left out" in built.stdout
    assert "next: dbt build" in built.stdout
    assert (workspace / "warehouse" / "cinefeast.duckdb").stat().st_ino == before


def test_dbt_docs_show_every_model(built_workspace: Built, tmp_path: Path) -> None:
    workspace = copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)
    run(workspace, "dbt", "docs", "generate", folder="dbt_project")
    catalog = json.loads((workspace / "dbt_target" / "catalog.json").read_text())
    assert not catalog["errors"]
    assert len([node for node in catalog["nodes"] if node.startswith("model.")]) > 50
