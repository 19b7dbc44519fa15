"""The start and the end of a build: what it starts from, and how its result is shown to readers."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import psutil

from dbt_project.build_inputs import BuildInputs, fixed_inputs
from dbt_project.durable import written_aside
from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace


def unfinished(space: Workspace) -> Path:
    """A mark that stands beside the build file while it differs from what is published."""
    return space.build.with_name("unfinished")


def start_build(space: Workspace, inputs: BuildInputs, is_full: bool) -> bool:
    """Leave in the build file what was published, if this build may append to it, or else nothing; whether it may."""
    may_append = not is_full and inputs.only_append_to(BuildInputs.published(space))
    if not may_append or unfinished(space).exists() or not space.build.exists():
        for file in (space.build, space.build.with_name(f"{space.build.name}.wal")):
            file.unlink(missing_ok=True)
        if may_append:
            copy_file(space.warehouse, space.build)
    unfinished(space).touch()
    return may_append


def remove_leftovers(space: Workspace) -> None:
    """Remove what killed processes left: a copy that was about to be published, what did not fit into memory.

    Under the build's lock, so that no other build's copy is among them; readers that still live keep theirs.
    """
    beside = space.warehouse.parent
    for leftover in beside.glob(f"{space.warehouse.name}.*.part"):
        leftover.unlink()
    shutil.rmtree(space.build.with_name(f"{space.build.name}.tmp"), ignore_errors=True)
    for spilled in beside.glob(f"{space.warehouse.name}.spill-*"):
        reader = spilled.name.rpartition(".spill-")[2].partition("-")[0]
        if reader.isdigit() and not psutil.pid_exists(int(reader)):
            shutil.rmtree(spilled, ignore_errors=True)


def publish(space: Workspace, inputs: BuildInputs, built: Mapping[str, int | None]) -> None:
    """Show a copy of the finished build file to readers at once.

    `built` has the rows of each table of the graph by its schema and name, None for a view. CineFeastError where the
    copy has not all of them, or where what was built from has changed meanwhile: the last good warehouse stays.
    """
    if fixed_inputs(space) != inputs.fixed:
        raise CineFeastError("the data set, its documents or dbt's models changed while they were read", "dbt build")
    with written_aside(space.warehouse) as copy:
        copy_file(space.build, copy)
        if lacking := sorted(built.items() - rows(copy, built).items()):
            name, count = lacking[0]
            what = f"{len(lacking)} of {len(built)} tables are not as they were built, such as {name}"
            raise CineFeastError(f"{what} with {count} rows", "dbt build --full-refresh")
    unfinished(space).unlink(missing_ok=True)


def rows(warehouse: Path, names: Iterable[str]) -> dict[str, int | None]:
    """Rows of those of the named tables that the file has, None for a view."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        views, tables = (
            {f"{schema}.{name}" for schema, name in connection.sql(query).fetchall()}
            for query in (
                "select schema_name, view_name from duckdb_views() where not internal",
                "select schema_name, table_name from duckdb_tables()",
            )
        )
        found: dict[str, int | None] = dict.fromkeys(views.intersection(names))
        for name in tables.intersection(names):
            [(found[name],)] = connection.table(name).count("*").fetchall()
        return found


def copy_file(source: Path, target: Path) -> None:
    """Copy in a process of its own: closing a file here would drop the lock that this process holds on it."""
    subprocess.run(["cp", str(source), str(target)], check=True)
