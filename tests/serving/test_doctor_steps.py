"""`cinefeast doctor` on a sound workspace and on broken ones: each fault has its line, the rest goes on."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from serving.cli.main import app
from serving.doctor import resources
from serving.doctor.artifacts import labels_hash
from serving.doctor.checks import Check, Diagnosis
from serving.doctor.examine import examine
from serving.doctor.registry import has_unknown_fields
from serving.doctor.versions import misfits
from serving.doctor.warehouse import Warehouse, read_warehouse, rows_check, warehouse_check
from serving.statistics import thresholds
from tests.commands import REPOSITORY

NAMES = ["versions", "settings", "disk", "memory", "landed", "warehouse", "rows", "freshness", "registry", "online"]
NAMES += ["ahead", "events", "materialized", "nulls", "served", "drift", "replay", "artifacts", "reports"]


def line(found: Diagnosis, name: str) -> Check:
    """The one check of that name; every one that is not ok says what to run."""
    assert all(check.next for check in found.checks if check.status != "ok"), found.checks
    (check,) = [check for check in found.checks if check.name == name]
    return check


def statuses(found: Diagnosis) -> dict[str, str]:
    return {check.name: check.status for check in found.checks}


def later(path: Path, seconds: float = 60) -> None:
    """Make a file look changed after all others."""
    os.utime(path, (time.time() + seconds, time.time() + seconds))


def edit_registry(space: Workspace, edit: Any) -> None:
    """Change the registry as another version or a killed run would have left it."""
    from feast.protos.feast.core.Registry_pb2 import Registry

    registry = Registry.FromString(space.registry.read_bytes())
    edit(registry)
    space.registry.write_bytes(registry.SerializeToString())


def test_a_sound_workspace_has_nothing_wrong_and_is_left_as_it_is(broken: Workspace) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in broken.root.rglob("*")}
    found = examine(broken)
    assert [check.name for check in found.checks] == NAMES
    assert found.status == "warn", found.checks  # no model is trained yet
    assert {name for name, status in statuses(found).items() if status != "ok"} <= {"artifacts", "reports", "drift"}
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in broken.root.rglob("*")} == before


def test_json_is_what_the_tables_say(broken: Workspace) -> None:
    runner = CliRunner()
    as_json, as_tables = runner.invoke(app, ["doctor", "--json"]), runner.invoke(app, ["doctor"])
    assert as_json.exit_code == as_tables.exit_code == 0
    found = json.loads(as_json.stdout)
    assert set(found) == {"status", "checks", "features"}
    assert all(set(check) == {"name", "status", "detail", "next"} for check in found["checks"])
    for check in found["checks"]:
        assert re.search(rf"^ *{check['name']} +{check['status']} ", as_tables.stdout, re.MULTILINE)
    for feature in found["features"]:
        row = re.search(rf"^ *{feature['feature']} +{feature['status']} .*$", as_tables.stdout, re.MULTILINE)
        assert row, feature
        shown = "-" if feature["psi"] is None else f"{feature['psi']:.3f}"
        assert shown in row[0].split()
    assert as_tables.stdout.strip().splitlines()[-1].startswith(found["status"])


def test_an_empty_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path / "absent"))
    ran = CliRunner().invoke(app, ["doctor", "--json"])
    assert ran.exit_code == 1
    found = json.loads(ran.stdout)
    commands = {check["name"]: check["next"] for check in found["checks"]}
    assert commands["landed"] == "cinefeast fetch ml-100k"
    assert commands["warehouse"] == "cd dbt_project && dbt build"
    assert commands["registry"] == "cd feature_repo && feast apply"
    assert commands["artifacts"] == commands["reports"] == "cinefeast train"
    assert found["features"] == []
    assert not (tmp_path / "absent").exists()


def test_a_landing_that_is_damaged(broken: Workspace) -> None:
    manifest = broken.raw_movielens / "manifest.json"
    text = manifest.read_text()
    (broken.raw_movielens / "movies.parquet").write_bytes(b"PAR1")
    (broken.raw_movielens / "links.parquet").unlink()
    found = line(examine(broken), "landed")
    assert found.status == "wrong"
    assert found.next == "cinefeast fetch ml-latest-small"
    assert "movies.parquet cannot be read" in found.detail
    assert "links.parquet cannot be read" in found.detail
    for damage in (text[: len(text) // 2], "[]", "{}"):
        manifest.write_text(damage)
        assert "manifest.json is damaged" in line(examine(broken), "landed").detail


@pytest.mark.parametrize("name", ["movielens/manifest.json", "movielens/tags.parquet", "tmdb/*.jsonl.gz"])
def test_a_warehouse_of_another_landing(broken: Workspace, name: str) -> None:
    file = next(broken.root.glob(f"raw/{name}"))
    if file.suffix == ".json":
        file.write_text(json.dumps({**json.loads(file.read_text()), "sha256": "another"}))
    else:
        later(file)
    found = line(examine(broken), "warehouse")
    assert (found.status, found.next) == ("wrong", "cd dbt_project && dbt build")
    assert "the documents or dbt's models have changed" in found.detail


def test_a_build_that_failed_is_told_by_name(tmp_path: Path) -> None:
    """Beside what was published before, and where nothing was."""
    space = Workspace(tmp_path)
    space.warehouse.parent.mkdir(parents=True)
    failed = space.warehouse.with_name("failed_nodes.json")
    failed.write_text('{"name":"assert_splits_follow_time"}\n{"name":"unique_rating_id"}\n')
    told = "the last build failed: assert_splits_follow_time, unique_rating_id"
    with pytest.raises(CineFeastError, match=f"missing: no warehouse at .*; {told}; next: cd dbt_project"):
        read_warehouse(space)
    space.warehouse.write_bytes(b"")
    found = warehouse_check(space, None, Warehouse(space.warehouse, 0.0, {}, None))
    assert (found.status, found.detail) == ("wrong", told)
    failed.write_text("")
    assert warehouse_check(space, None, Warehouse(space.warehouse, 0.0, {}, None)).status == "ok"


def test_no_warehouse(broken: Workspace) -> None:
    broken.warehouse.unlink()
    found = examine(broken)
    assert line(found, "warehouse").detail.startswith("missing")
    assert {name: statuses(found)[name] for name in ("registry", "online")} == {"registry": "ok", "online": "ok"}
    assert line(found, "features").detail.startswith("not checked")


def test_a_warehouse_that_is_none(broken: Workspace) -> None:
    broken.warehouse.write_bytes(b"no database" * 1000)
    assert "cannot be read" in line(examine(broken), "warehouse").detail
    broken.warehouse.unlink()
    duckdb.connect(str(broken.warehouse)).execute("create table other (a int)").close()
    found = line(examine(broken), "warehouse")
    assert "is not as this version builds it" in found.detail
    assert found.next == "cd dbt_project && dbt build"


def test_a_locked_warehouse(broken: Workspace) -> None:
    code = f"import duckdb; c = duckdb.connect({str(broken.warehouse)!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == "held"
        found = examine(broken)
        holder.communicate("\n")
    assert re.search("lock|another process", line(found, "warehouse").detail)
    assert statuses(found)["registry"] == "ok"


def test_no_registry(broken: Workspace) -> None:
    broken.registry.unlink()
    found = examine(broken)
    assert line(found, "registry").detail.startswith("missing")
    assert line(found, "registry").next == "cd feature_repo && feast apply"
    assert statuses(found)["warehouse"] == "ok"
    assert not broken.registry.exists()


def test_a_feature_that_events_do_not_renew(broken: Workspace) -> None:
    def forget(registry: Any) -> None:
        (view,) = (one for one in registry.feature_views if one.spec.name == "user_state")
        view.spec.features.add(name="user_shoe_size", value_type=3)

    edit_registry(broken, forget)
    found = line(examine(broken), "registry")
    assert found.status == "wrong"
    assert found.detail == "events renew view user_state, but there is no formula of user_shoe_size for them"
    assert found.next == "write it into feature_repo/running.py, as the mart has it"


def test_a_registry_that_is_none(broken: Workspace) -> None:
    broken.registry.write_bytes(b"\xff" * 64)
    assert "is no Feast registry" in line(examine(broken), "registry").detail


def test_a_registry_of_a_newer_feast(broken: Workspace) -> None:
    written = broken.registry.read_bytes()
    broken.registry.write_bytes(written + b"\x98\x06\x01")  # field 99, a number
    found = examine(broken)
    assert "written by a newer Feast" in line(found, "registry").detail
    assert statuses(found)["warehouse"] == "ok"
    broken.registry.write_bytes(written)
    edit_registry(broken, lambda registry: setattr(registry, "registry_schema_version", "2"))
    assert "written by a newer Feast" in line(examine(broken), "registry").detail


def test_unknown_fields_are_found_at_any_depth() -> None:
    from feast.protos.feast.core.FeatureView_pb2 import FeatureView, FeatureViewSpec
    from feast.protos.feast.core.Registry_pb2 import Registry

    spec = FeatureViewSpec.FromString(FeatureViewSpec(name="a", tags={"b": "c"}).SerializeToString())
    known = Registry(feature_views=[FeatureView(spec=spec)])
    assert not has_unknown_fields(known)
    newer = FeatureViewSpec.FromString(spec.SerializeToString() + b"\x98\x06\x01")
    assert has_unknown_fields(Registry(feature_views=[FeatureView(spec=spec), FeatureView(spec=newer)]))


def test_a_registry_of_newer_code(broken: Workspace) -> None:
    def newer(registry: Any) -> None:
        source = registry.feature_views[0].spec.batch_source
        source.data_source_class_type = "feature_repo.offline_store.source.SourceOfTomorrow"

    edit_registry(broken, newer)
    found = line(examine(broken), "registry")
    assert "holds what this code cannot read" in found.detail
    assert "SourceOfTomorrow" in found.detail


def test_a_registry_that_is_not_as_the_code_defines(broken: Workspace) -> None:
    from feast import FeatureService

    from feature_repo.store import load_store

    store = load_store()
    dropped, kept = (service.name for service in store.list_feature_services()[:2])
    view = store.list_feature_views()[0]
    store.registry.delete_feature_service(dropped, store.project)
    store.registry.apply_feature_service(FeatureService(name="of_tomorrow_v1", features=[view]), store.project)
    edit_registry(broken, lambda registry: setattr(registry.feature_services[0].spec, "description", "other"))
    found = line(examine(broken), "registry")
    assert found.status == "wrong"
    assert f"new feature service {dropped}" in found.detail
    assert "does not define: feature service of_tomorrow_v1" in found.detail
    assert f"changed feature service {kept}" in found.detail


def test_no_online_store(broken: Workspace) -> None:
    broken.online.unlink()
    found = examine(broken)
    assert line(found, "online").detail.startswith("missing")
    assert "feast materialize" in str(line(found, "online").next)
    assert statuses(found)["registry"] == "ok"
    assert not broken.online.exists()
    broken.online.write_bytes(b"no database" * 1000)
    assert "cannot be read" in line(examine(broken), "online").detail


def test_redis_is_down(broken: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "localhost:1")
    found = examine(broken)
    assert "Redis at localhost:1" in line(found, "online").detail
    assert statuses(found)["materialized"] == "ok"
    assert found.status == "wrong"


def test_a_warehouse_published_after_materialize(broken: Workspace) -> None:
    later(broken.warehouse)
    found = line(examine(broken), "online")
    assert found.detail.startswith("stale: materialized before the warehouse was published")
    assert "feast materialize" in str(found.next)


def test_materialize_left_out_rows(broken: Workspace) -> None:
    def narrow(registry: Any) -> None:
        for view in registry.feature_views:
            for interval in view.meta.materialization_intervals:
                interval.start_time.FromDatetime(datetime.now(UTC) - timedelta(days=365))

    edit_registry(broken, narrow)  # what `feast materialize-incremental` does
    found = line(examine(broken), "materialized")
    assert found.status == "wrong"
    assert "the latest row of 60 of 60 keys lies outside" in found.detail


def test_materialize_was_killed_or_never_ran(broken: Workspace) -> None:
    def first(registry: Any) -> Any:
        return next(view for view in registry.feature_views if view.spec.online)

    def never(registry: Any) -> None:
        first(registry).meta.ClearField("materialization_intervals")

    def kill(registry: Any) -> None:
        from feast.protos.feast.core.FeatureView_pb2 import FeatureViewState

        first(registry).meta.state = FeatureViewState.Value("MATERIALIZING")

    for edit, said in ((never, "never materialized"), (kill, "cut short")):
        edit_registry(broken, edit)
        found = line(examine(broken), "online")
        assert found.status == "wrong"
        assert said in found.detail
        assert "feast materialize" in str(found.next)


def test_rows_that_do_not_add_up(tmp_path: Path) -> None:
    def rows(**accounting: tuple[int, int, int]) -> Check:
        return rows_check(Warehouse(tmp_path, 0.0, accounting, None))

    assert rows(ratings=(1000, 995, 5)).status == "ok"
    assert rows(ratings=(1000, 980, 20)).status == "warn"
    assert rows(ratings=(1000, 800, 200)).status == "wrong"
    lost = rows(ratings=(1000, 990, 9))
    assert lost.status == "wrong"
    assert "ratings: 1,000 read, but 990 accepted and 9 rejected" in lost.detail


def test_packages() -> None:
    has = {"good": "1.5", "old": "0.9", "pre": "2.0rc1"}

    def installed(name: str) -> str:
        if name not in has:
            raise PackageNotFoundError(name)
        return has[name]

    assert misfits(["good>=1,<2", "pre>=2.0rc1", 'absent; extra == "dev"'], installed) == []
    assert misfits(["good[a,b]==1.4", "old>=1", "absent"], installed) == [
        "good 1.5 is not ==1.4",
        "old 0.9 is not >=1",
        "absent is missing",
    ]


def test_room(broken: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(broken.root)._replace(free=10**6)
    monkeypatch.setattr(resources.shutil, "disk_usage", lambda place: usage)
    assert resources.disk(broken, None).status == "wrong"
    assert resources.disk(Workspace(broken.root / "a" / "b"), None).status == "ok", "nothing is landed yet"
    monkeypatch.setattr(resources, "available_memory", lambda: 10**6)
    assert resources.memory(broken, None).status == "warn"
    monkeypatch.setenv(resources.LIMIT, "plenty")
    assert resources.memory(broken, None).status == "wrong"
    assert resources.parsed("1.5 GiB") == 1.5 * 2**30


def test_the_hash_of_the_labels_is_that_of_the_models(broken: Workspace) -> None:
    from feature_repo.store import load_store
    from models.dataset import Dataset

    assert labels_hash(read_warehouse(broken)) == Dataset(load_store()).data_hash


def test_every_threshold_is_documented() -> None:
    text = (REPOSITORY / "docs" / "doctor.md").read_text()
    for name, value in vars(thresholds).items():
        if name.isupper():
            shown = value if isinstance(value, str) else f"{value:,}"
            assert f"| `{name}` | {shown} |" in text
