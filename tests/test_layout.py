"""How the rooms are laid out: folders that can be overlooked, and packages that are all installed."""

import tomllib
from pathlib import Path

import pytest

from tests.commands import REPOSITORY

ROOMS = ("dbt_project", "feature_repo", "models", "serving")
MOST = 20
"""Python files in a folder."""


def folders(room: str) -> list[Path]:
    found = {path.parent for path in (REPOSITORY / room).rglob("*.py")}
    return sorted(path.relative_to(REPOSITORY) for path in found)


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_holds_at_most_twenty_files(room: str) -> None:
    counts = {str(folder): len(list((REPOSITORY / folder).glob("*.py"))) for folder in folders(room)}
    assert {folder: count for folder, count in counts.items() if count > MOST} == {}
    assert len(counts) > 1


def test_every_folder_with_code_is_an_installed_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {str(folder).replace("/", ".") for room in ROOMS for folder in folders(room)}
    assert packages == set(project["tool"]["setuptools"]["packages"])
