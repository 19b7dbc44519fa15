"""The findings for people: a table of the checks, and one of the features where they were compared."""

import sys

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.doctor.checks import Diagnosis, FeatureCheck
from serving.doctor.features import distinct

COLOURS = {"ok": "green", "watch": "yellow", "warn": "yellow", "drifted": "yellow", "wrong": "red"}


def print_diagnosis(found: Diagnosis) -> None:
    """Print both tables and, at the end, the verdict."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    checks = Table("check", "status", "what", box=box.SIMPLE_HEAD)
    for check in found.checks:
        what = check.detail + (f"\nnext: {check.next}" if check.next else "")
        checks.add_row(check.name, coloured(check.status), escape(what))
    console.print(checks)
    if found.features:
        console.print(feature_table(found.features))
    count = sum(check.status != "ok" for check in found.checks)
    console.print(f"{coloured(found.status)}: {count} of {len(found.checks)} checks are not ok")


def feature_table(features: list[FeatureCheck]) -> Table:
    """A row a feature, the worst first, with the services that hold it."""
    table = Table("feature", "status", "services", box=box.SIMPLE_HEAD)
    for title in ("null in training", "null online", "PSI", "not the warehouse's"):
        table.add_column(title, justify="right")
    for feature in distinct(features):
        services = [other.service for other in features if other.feature == feature.feature]
        table.add_row(
            feature.feature,
            coloured(feature.status),
            ", ".join(services),
            share(feature.null_share_training),
            share(feature.null_share_online),
            "-" if feature.psi is None else f"{feature.psi:.3f}",
            share(feature.differs),
        )
    return table


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{value:.1%}"


def coloured(status: str) -> str:
    """A status in its colour."""
    return f"[{COLOURS[status]}]{status}[/{COLOURS[status]}]"
