"""Mistakes of a user end in one line that says what to run next, never in a traceback."""

import json
import shutil
import socket
import subprocess
from pathlib import Path

from tests.commands import run
from tests.conftest import Demo
from tests.serving.servers import free_port


def fails(workspace: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command on SQLite, whatever it ends in."""
    return run(workspace, *command, check=False, **{"REDIS_CONNECTION_STRING": "", **variables})


def one_line(ran: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed: one line on stderr."""
    assert ran.returncode == 1, ran.stdout + ran.stderr
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_port_in_use(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = one_line(fails(demo.root, "cinefeast", "serve", "--port", str(port)))
    assert f"port {port} on 127.0.0.1 is in use; next: cinefeast serve --port {port + 1}" in error


def test_admin_port_in_use(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = ("cinefeast", "serve", "--port", str(free_port()))
        error = one_line(fails(demo.root, *command, CINEFEAST_ADMIN_PORT=str(port)))
    assert f"port {port} on 127.0.0.1 is in use; next: export CINEFEAST_ADMIN_PORT={port + 1}" in error


def test_nothing_applied(tmp_path: Path) -> None:
    error = one_line(fails(tmp_path, "cinefeast", "serve"))
    assert "no Feast registry" in error
    assert error.endswith("next: cd feature_repo && feast apply")


def test_nothing_trained(copied: Path) -> None:
    shutil.rmtree(copied / "artifacts")
    error = one_line(fails(copied, "cinefeast", "serve"))
    assert f"no trained models in {copied / 'artifacts'}; next: cinefeast train" in error


def test_nothing_materialized(copied: Path) -> None:
    (copied / "feast" / "online.db").unlink()
    error = one_line(fails(copied, "cinefeast", "serve", "--port", str(free_port())))
    assert "feast" in error
    assert "materialize" in error


def test_trained_on_another_schema(copied: Path) -> None:
    path = next(copied.glob("artifacts/**/two_tower/config.json"))
    config = json.loads(path.read_text())
    config["schema"]["user_shoe_size"] = "Int64"
    path.write_text(json.dumps(config))
    error = one_line(fails(copied, "cinefeast", "serve", "--port", str(free_port())))
    assert "user_shoe_size is gone" in error
    assert error.endswith("next: cinefeast train")


def test_a_feature_that_events_do_not_renew(copied: Path) -> None:
    from feast.protos.feast.core.Registry_pb2 import Registry

    path = copied / "feast" / "registry.db"
    registry = Registry.FromString(path.read_bytes())
    (view,) = (one for one in registry.feature_views if one.spec.name == "movie_state")
    view.spec.features.add(name="movie_shoe_size", value_type=3)
    path.write_bytes(registry.SerializeToString())
    error = one_line(fails(copied, "cinefeast", "serve", "--port", str(free_port())))
    assert "events renew view movie_state, but there is no formula of movie_shoe_size" in error


def test_no_redis(demo: Demo) -> None:
    ran = fails(demo.root, "cinefeast", "serve", "--port", str(free_port()), REDIS_CONNECTION_STRING="localhost:1")
    assert "Redis at localhost:1" in one_line(ran)


def test_report_without_metrics_or_warehouse(copied: Path) -> None:
    (copied / "reports" / "metrics.json").unlink()
    assert one_line(fails(copied, "cinefeast", "report")).endswith("next: cinefeast evaluate")
    (copied / "reports" / "metrics.json").write_text("{")
    assert "metrics.json is no JSON" in one_line(fails(copied, "cinefeast", "report"))
    assert (copied / "reports" / "report.html").stat().st_size > 10_000, "the last good report is gone"


def test_demo_names_the_step_that_failed(tmp_path: Path) -> None:
    missing = str(tmp_path / "absent.zip")
    ran = fails(tmp_path / "workspace", "cinefeast", "demo", "--dataset", "ml-1m", "--archive", missing)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("error: step fetch failed")
    assert "Traceback" not in ran.stderr
