"""Models are put in place together; a disk that does not take them is one line, and the models of before stay."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbt_project.errors import CineFeastError
from models import progress
from models.progress import Steps, duration, track
from models.staging import staged
from tests.commands import BIN, environment_of
from tests.conftest import Built, copy_of, files_of


def fail(folder: Path, error: Exception) -> None:
    with staged(folder, "cinefeast train") as place:
        (place / "half").touch()
        raise error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_cannot_be_written_is_one_line(code: int, tmp_path: Path) -> None:
    said = f"cannot write to .*model.safetensors: {os.strerror(code)}; .*, then cinefeast train$"
    with pytest.raises(CineFeastError, match=said):
        fail(tmp_path, OSError(code, os.strerror(code), "model.safetensors"))
    assert not list(tmp_path.glob(".training-*"))


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    for error in (ValueError("shapes"), FileNotFoundError(errno.ENOENT, "no such file"), CineFeastError("a", "b")):
        with pytest.raises(type(error)):
            fail(tmp_path, error)


def test_one_run_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".training-killed"
    left.mkdir()
    (left / "model").touch()
    with staged(tmp_path, "cinefeast train"):
        assert not left.exists()
        with pytest.raises(CineFeastError, match="another cinefeast train"), staged(tmp_path, "cinefeast train"):
            pass
    with staged(tmp_path, "cinefeast train"):
        pass


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_ends_training_in_one_line(
    fault: str, built_workspace: Built, tmp_path: Path
) -> None:
    """A limit on the size of files ends a write as a full disk does; nobody may write below /sys."""
    root = copy_of(built_workspace.root, tmp_path / "workspace")
    if fault == "read-only":
        (root / "artifacts").rename(tmp_path / "aside")
        (root / "artifacts").symlink_to("/sys/kernel")
    before = {} if fault == "read-only" else files_of(root / "artifacts")
    ended = subprocess.run(
        [str(BIN / "cinefeast"), "train", "popularity"],
        env=environment_of(root, REDIS_CONNECTION_STRING="", PYTHONDONTWRITEBYTECODE="1"), capture_output=True,
        text=True, check=False,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))) if fault == "full" else None,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("error: cannot write to "), ended.stderr
    assert "Traceback" not in ended.stderr
    assert line.endswith("then cinefeast train popularity")
    if fault == "full":
        kept = {name: told for name, told in files_of(root / "artifacts").items() if name != ".training.lock"}
        assert kept == {name: told for name, told in before.items() if name != ".training.lock"}


def test_long_steps_are_told_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each four seconds: a line each third step, with what is left."""
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))

    def steps() -> Iterator[int]:
        yield from range(7)

    assert list(track(steps(), "samples: shards", 7)) == list(range(7))
    assert capfd.readouterr().err.splitlines() == [
        "samples: shards: 3 of 7, 16 s left",
        "samples: shards: 6 of 7, 4.0 s left",
    ]


def test_steps_are_numbered_and_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("builtins.print", lambda line, **how: written.append((line, how)))
    seconds = iter([0.0, 5.0, 5.0, 200.0, 200.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(seconds))
    steps = Steps(2)
    steps.ended("trained ease", {"films": 1234, "ndcg": 0.12345, "nothing": None, "diverged": "epoch 3"})
    steps.ended("trained ials")
    assert written == [
        ("1 of 2: trained ease (5.0 s): films 1,234, ndcg 0.1235, diverged epoch 3", {"flush": True}),
        ("2 of 2: trained ials (3 min)", {"flush": True}),
    ]
    assert [duration(s) for s in (0.04, 9.94, 99, 100, 5900, 7200)] == [
        "0.0 s",
        "9.9 s",
        "99 s",
        "2 min",
        "98 min",
        "2.0 h",
    ]
