"""A registry holds code that Feast runs: one that others can write is not read, and ours is written so."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from dbt_project.errors import CineFeastError
from feature_repo.registry_store import check_trusted
from tests.commands import FORKS, run
from tests.conftest import Built, copy_of
from tests.features.test_registry_writes import entity, opened
from tests.serving.servers import free_port

MODES = {0o000: 0o644, 0o002: 0o644, 0o022: 0o644, 0o077: 0o600}
"""Of the file, by umask."""


def write(folder: Path) -> None:
    """A registry under each umask, in a process of its own."""
    for umask in MODES:
        os.umask(umask)
        opened(folder / f"{umask}.db").apply_entity(entity("user"), "p")


@pytest.mark.parametrize("bits", [stat.S_IWGRP, stat.S_IWOTH])
def test_what_others_can_write_is_not_read(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "registry.db"
    registry = opened(path)
    registry.apply_entity(entity("user"), "p")
    path.chmod(path.stat().st_mode | bits)
    told = f"{path} can be written by other users, and Feast runs code that is in it; next: chmod go-w {path}"
    with pytest.raises(CineFeastError) as caught:
        opened(path)
    assert str(caught.value) == told
    with pytest.raises(CineFeastError):
        registry.apply_entity(entity("film"), "p")
    subprocess.run(told.partition("next: ")[2], shell=True, check=True)
    assert [one.name for one in opened(path).list_entities("p")] == ["user"]


def test_what_belongs_to_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.db"
    path.touch(mode=0o600)
    owner = path.stat().st_uid
    check_trusted(path)
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    if owner == 0:
        check_trusted(path)  # root could do anything anyway
        os.chown(path, 12_345, -1)
        owner = 12_345
    with pytest.raises(CineFeastError, match=rf"belongs to another user \({owner}\).*; next: chown \$\(id -u\) {path}"):
        check_trusted(path)


def test_ours_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    writer = FORKS.Process(target=write, args=(tmp_path,))
    writer.start()
    writer.join()
    assert {umask: stat.S_IMODE((tmp_path / f"{umask}.db").stat().st_mode) for umask in MODES} == MODES
    assert all(opened(tmp_path / f"{umask}.db").list_entities("p") for umask in MODES)


def test_commands_say_so_in_one_line(built_workspace: Built, tmp_path: Path) -> None:
    root = copy_of(built_workspace.root, tmp_path / "workspace")
    registry = root / "feast" / "registry.db"
    registry.chmod(0o664)
    serve, feast = ("cinefeast", "serve", "--port", str(free_port())), ("feast", "entities", "list")
    for command, folder in ((serve, "."), (feast, "feature_repo")):
        ran = run(root, *command, folder=folder, check=False, REDIS_CONNECTION_STRING="")
        assert ran.returncode == 1, ran.stdout
        assert ran.stderr.strip().splitlines()[-1].endswith(f"next: chmod go-w {registry}"), ran.stderr
        assert "Traceback" not in ran.stderr
