"""The drawn diagram names the rooms that there are, and the documents link to files that there are."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.commands import REPOSITORY

ROOMS = ("dbt_project", "feature_repo", "models", "serving")
DOT, SVG = REPOSITORY / "docs" / "architecture.dot", REPOSITORY / "docs" / "architecture.svg"
DOCUMENTS = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
TABLE = r"(?m)^\s*{room} \[label=<(<table.*?</table>)>\]"
NAMED = re.compile(r"<b>([\w/]+)</b>(?::([^;<]*))?")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")


def drawn(room: str, source: str) -> set[str]:
    """The folders of a room that the diagram's source names: what is bold, and after a colon the folders in it."""
    found = re.search(TABLE.format(room=room), source, re.DOTALL)
    assert found, f"no table of {room} in {DOT}"
    told = re.sub(r"<font.*?</font>", "", found[1]).replace("<br/>", " ")  # headings and explanations
    named = set()
    for folder, inner in NAMED.findall(told):
        named |= {folder, *(f"{folder}/{name}" for name in re.findall(r"\w+", inner))}
    return named


def on_disk(room: str, root: Path) -> set[str]:
    """The folders of a room that hold code: Python packages, and those of dbt's models."""
    folders = {file.parent for file in (root / room).rglob("__init__.py")}
    if room == "dbt_project":
        models = root / room / "models"
        layers = {folder for file in models.rglob("*.sql") for folder in file.relative_to(models).parents}
        folders |= {models / layer for layer in layers if layer != Path()}
    return {folder.relative_to(root / room).as_posix() for folder in folders if folder != root / room}


@pytest.mark.parametrize("room", ROOMS)
def test_the_diagram_names_every_folder_of_a_room_and_no_other(room: str) -> None:
    assert drawn(room, DOT.read_text(encoding="utf-8")) == on_disk(room, REPOSITORY)


def test_the_picture_was_made_of_the_source() -> None:
    assert hashlib.sha256(DOT.read_bytes()).hexdigest() in SVG.read_text(encoding="utf-8"), "next: make diagram"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_to_files_that_there_are(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]
