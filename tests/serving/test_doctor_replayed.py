"""What the doctor says of the last `cinefeast replay`."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbt_project.workspace import Workspace
from serving.doctor.replayed import replay_check
from serving.monitoring.replay import Difference, Replayed, keep, result_file

NOW = datetime.now(UTC)


def log_features(space: Workspace, at: datetime) -> None:
    """A file of the log as it is named when it is written."""
    folder = space.logs / "served_v1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{at:%Y%m%dT%H%M%S.%f}-0123abcd.parquet").touch()


def replayed(space: Workspace, *, same: int = 10, days_ago: float = 0, since: datetime | None = None) -> None:
    differs = Difference("user_id 1", NOW, 1, 2)
    found = [Replayed("a:one", 10, same, [differs] * (10 - same)), Replayed("b:two", 30, 30)]
    keep(found, since, NOW - timedelta(days=days_ago), space)


def test_nothing_is_asked_where_nothing_is_logged(tmp_path: Path) -> None:
    assert replay_check(Workspace(tmp_path)).status == "ok"


def test_a_log_that_was_never_replayed(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    log_features(space, NOW)
    found = replay_check(space)
    assert (found.status, found.next) == ("warn", "cinefeast replay")
    assert "never replayed" in found.detail


def test_all_values_agree(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    log_features(space, NOW)
    replayed(space)
    found = replay_check(space)
    assert found.status == "ok"
    assert found.detail == f"100.00% of 40 served values are what was known then (replayed {NOW:%Y-%m-%d %H:%M})"


def test_values_that_differ_are_told_with_their_features(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    log_features(space, NOW)
    replayed(space, same=9, since=datetime(2024, 5, 1, tzinfo=UTC))
    found = replay_check(space)
    assert (found.status, found.next) == ("warn", "cinefeast replay")
    assert found.detail.startswith("97.50% of 40 served values of answers since 2024-05-01T00:00:00+00:00 are")
    assert found.detail.endswith("others are of a:one")
    replayed(space)
    assert replay_check(space).status == "ok"


@pytest.mark.parametrize(("logged_days_ago", "status"), [(1, "warn"), (9, "ok")])
def test_an_old_replay_counts_until_more_is_logged(tmp_path: Path, logged_days_ago: int, status: str) -> None:
    space = Workspace(tmp_path)
    log_features(space, NOW - timedelta(days=logged_days_ago))
    replayed(space, days_ago=8)
    found = replay_check(space)
    assert found.status == status
    assert ("more was served since" in found.detail) == (status == "warn")


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"at": 1, "since": null, "values": 1, "same": 1, "differing": {}}']
)
def test_a_result_that_is_damaged(tmp_path: Path, damage: str) -> None:
    space = Workspace(tmp_path)
    log_features(space, NOW)
    replayed(space)
    result_file(space).write_text(damage)
    found = replay_check(space)
    assert (found.status, found.next) == ("wrong", "cinefeast replay")
    assert "replay.json is damaged" in found.detail


def test_the_result_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that is cut short while it writes leaves the one before."""
    space = Workspace(tmp_path)
    replayed(space)
    before = result_file(space).read_text()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            replayed(space, same=3)
    assert result_file(space).read_text() == before
    assert json.loads(before)["same"] == 40
    assert [file.name for file in space.reports.iterdir()] == ["replay.json"]
