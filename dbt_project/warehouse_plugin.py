"""The dbt-duckdb plugin of this project: decides what a build starts from, and publishes what it made.

dbt holds the write lock on the file that it builds, warehouse/build/cinefeast.duckdb. Readers get a copy of it, put in
place by one rename. A build starts from what was published when nothing but pushed ratings came in since, and only
appends them; from an empty file in every other case (build_inputs.py). So a build that fails or is killed, at any
moment, is as if it had never begun.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from dbt_project.build_inputs import BuildInputs, check_landed_events, first_event_files, note_file
from dbt_project.errors import CineFeastError
from dbt_project.ingest.text_vectors import first_text_vectors
from dbt_project.workspace import VARIABLE, Workspace

BESIDE_THIS_FILE = Path(__file__).resolve().parent.parent
WRITING = ("build", "run", "seed")


class Plugin(BasePlugin):
    """Registered in profiles.yml."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Make the warehouse folder ready; refuse a workspace that dbt and the other commands would see differently."""
        named = os.environ.get(VARIABLE)
        if named and not Path(named).is_absolute():
            raise DbtRuntimeError(
                f"{VARIABLE}={named} is relative, and dbt and feast start elsewhere; "
                f'next: export {VARIABLE}="$PWD/{named}"'
            )
        self.space = Workspace(Path(named) if named else BESIDE_THIS_FILE / "workspace")
        if not (self.space.raw_movielens / "manifest.json").exists():
            raise DbtRuntimeError(f"no landed data set in {self.space.root / 'raw'}; next: cinefeast fetch ml-100k")
        try:
            first_event_files(self.space)
            first_text_vectors(self.space)
            check_landed_events(self.space)
        except CineFeastError as error:
            raise DbtRuntimeError(str(error)) from None
        self.space.build.parent.mkdir(parents=True, exist_ok=True)
        for leftover in self.space.warehouse.parent.glob("*.publishing*"):
            leftover.unlink()
        self.before: list[int] | None = None
        self.inputs = BuildInputs.of(self.space)
        if get_flags().WHICH in WRITING:
            start_build(self.space, self.inputs)

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Give SQL what it cannot do: a copy of its own file, and a rename."""
        conn.create_function("publish_warehouse", self.publish, ["VARCHAR"], "VARCHAR", side_effects=True)
        if self.before is None:  # read once: the build renews it
            self.before = last_published_rating_id(conn)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Tell SQL how far the published ratings went before this build: macros/append.sql."""
        for rating_id in self.before or []:
            cursor.execute(f"set variable last_published_rating_id = {rating_id}")

    def publish(self, last_landed_file: str) -> str:
        """Show a copy of the finished build file to readers at once, and note what it was built from."""
        copy = self.space.warehouse.with_name(f"{self.space.warehouse.name}.publishing")
        copy_file(self.space.build, copy)
        # killed before there is a note again, the next build starts from an empty file
        note_file(self.space).unlink(missing_ok=True)
        copy.replace(self.space.warehouse)
        self.inputs.up_to(last_landed_file).note(self.space)
        unfinished(self.space).unlink(missing_ok=True)
        return str(self.space.warehouse)


def last_published_rating_id(connection: DuckDBPyConnection) -> list[int]:
    """What rpt_published tells of the warehouse that this build appends to; nothing where there is none."""
    found = "select 1 from duckdb_tables() where schema_name = 'reporting' and table_name = 'rpt_published'"
    if not connection.sql(found).fetchall():
        return []
    return [row[0] for row in connection.sql("select last_rating_id from reporting.rpt_published").fetchall()]


def unfinished(space: Workspace) -> Path:
    """A mark that stands beside the build file while it differs from what is published."""
    return space.build.with_name("unfinished")


def start_build(space: Workspace, inputs: BuildInputs) -> None:
    """Leave in the build file what was published, if this build may append to it, or else nothing."""
    may_append = inputs.only_append_to(BuildInputs.from_manifest(space)) and space.warehouse.exists()
    if not may_append or unfinished(space).exists() or not space.build.exists():
        for file in (space.build, space.build.with_name(f"{space.build.name}.wal")):
            file.unlink(missing_ok=True)
        if may_append:
            copy_file(space.warehouse, space.build)
    unfinished(space).touch()


def copy_file(source: Path, target: Path) -> None:
    """Copy in a process of its own: closing a file here would drop the lock that this process holds on it."""
    subprocess.run(["cp", str(source), str(target)], check=True)
