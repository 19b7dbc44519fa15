"""`cinefeast settings`, and the table of the documentation: every environment variable."""

import json
import sys
from typing import Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.config import VARIABLES, default, given, hint, settings, unknown


class Setting(NamedTuple):
    """What is told of a variable: values as text, a secret's never; empty where there is none."""

    name: str
    value: str
    source: Literal["environment", "default"]
    default: str
    meaning: str


def every_setting() -> list[Setting]:
    """All variables in order, also where a value is wrong."""
    found = []
    for name, field in VARIABLES.items():
        text, otherwise = given(name), default(field)
        value, meaning = hint(field).shown(text) if text else otherwise, " ".join((field.description or "").split())
        found.append(Setting(name, value, "environment" if text else "default", otherwise, meaning))
    return found


def markdown() -> str:
    """The table of docs/serving.md."""
    from models.evaluation.tables import table

    rows = {f"`{one.name}`": [f"`{one.default}`" if one.default else "", one.meaning] for one in every_setting()}
    return table("variable", ["default", "is"], rows)


def print_settings(as_json: bool) -> None:
    """Print all, and on stderr what is not known; CineFeastError where a value is wrong."""
    found = every_setting()
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=2))
    else:
        shown = Table("variable", "value", "source", "is", box=box.SIMPLE_HEAD)
        for one in found:
            shown.add_row(one.name, escape(one.value), one.source, escape(one.meaning))
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(shown)
    for line in unknown():
        print(f"warning: {line}", file=sys.stderr)
    settings()
