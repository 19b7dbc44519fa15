"""`feast plan`, `serve` and `ui` as the README has them typed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from dbt_project.events.schemas import RATINGS
from tests.commands import REPOSITORY, environment_of, landed_events, run
from tests.conftest import TRAINED, Built, copy_of
from tests.serving.servers import PATIENCE, answers, free_port, running, wait_for


@contextmanager
def feast_server(root: Path, verb: str, path: str) -> Iterator[httpx.Client]:
    """A client of `feast VERB`, once `path` answers."""
    port = free_port()
    command, log = ("feast", verb, "--port", str(port)), root / f"feast-{verb}.log"
    with (
        running(environment_of(root), *command, log=log, folder="feature_repo") as (_, has_ended),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):
        wait_for(lambda: has_ended() or answers(client, path), f"feast {verb}")
        assert not has_ended(), log.read_text()
        yield client


@pytest.fixture
def workspace(built_workspace: Built, tmp_path: Path) -> Path:
    """A workspace that a server may write to."""
    return copy_of(built_workspace.root, tmp_path / "workspace", *TRAINED)


def test_apply_refuses_a_feature_that_events_do_not_renew(tmp_path: Path) -> None:
    """A copy of the definitions with one more field; its formula for events is forgotten."""
    for file in (REPOSITORY / "feature_repo").glob("*"):
        if file.is_file():
            shutil.copy(file, tmp_path)
    field = 'Field(name="user_count_ratings", dtype=Int64'
    definitions = (tmp_path / "views.py").read_text()
    assert definitions.count(field) == 1
    more = 'Field(name="user_shoe_size", dtype=Int64), ' + field
    (tmp_path / "views.py").write_text(definitions.replace(field, more))
    ran = run(tmp_path, "feast", "apply", folder=str(tmp_path), check=False, REDIS_CONNECTION_STRING="")
    assert ran.returncode
    told = ran.stdout + ran.stderr
    assert "events renew view user_state, but there is no formula of user_shoe_size for them; next: write it" in told
    assert "Traceback" not in told
    assert not (tmp_path / "feast").exists()


def test_a_plan_after_apply_creates_nothing(built_workspace: Built) -> None:
    planned = run(built_workspace.root, "feast", "plan", folder="feature_repo").stdout
    assert "Created" not in planned
    assert "Deleted" not in planned


def test_feast_serves_what_was_materialized(built_workspace: Built, workspace: Path) -> None:
    user = built_workspace.data.ratings[0][0]
    rated = sorted(
        (when, place, movie) for place, (who, movie, _, when) in enumerate(built_workspace.data.ratings) if who == user
    )
    with feast_server(workspace, "serve", "/health") as client:
        asked = {"feature_service": "seen_v1", "entities": {"user_id": [user]}}
        found = client.post("/get-online-features", json=asked).json()
    values = dict(zip(found["metadata"]["feature_names"], found["results"], strict=True))
    assert values["user_seen_movie_ids"]["values"][0] == [movie for *_, movie in rated]


def test_a_rating_pushed_over_http_is_landed(workspace: Path) -> None:
    rating = {"user_id": [1], "movie_id": [4], "rating": [4.5], "rated_at": ["2024-01-01T10:00:00"]}
    with feast_server(workspace, "serve", "/health") as client:
        answer = client.post("/push", json={"push_source_name": "ratings", "df": rating, "to": "offline"})
        assert answer.status_code == 200, answer.text
    expected = {"user_id": 1, "movie_id": 4, "rating": 4.5, "rated_at": datetime(2024, 1, 1, 10)}
    assert landed_events(workspace, RATINGS) == [expected]


def test_feast_ui_shows_its_page(workspace: Path) -> None:
    with feast_server(workspace, "ui", "/") as client:
        assert "<html" in client.get("/").text
