"""Made-up archives, a workspace of its own for every test, and the command line without a new process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbt_project.workspace import VARIABLE, Workspace, workspace
from serving.cli.main import main
from tests.fixtures import FixtureData, write_dat_archive, write_fixture


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> FixtureData:
    """The csv archive and the TMDb documents."""
    return write_fixture(tmp_path_factory.mktemp("fixture"))


@pytest.fixture(scope="session")
def dat_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `::` archive."""
    return write_dat_archive(tmp_path_factory.mktemp("fixture"))


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace that the command line finds too."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "workspace"))
    return workspace()


@pytest.fixture
def cinefeast(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run `cinefeast ARGUMENTS` through the real main()."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["cinefeast", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), printed.out, printed.err)

    return run
