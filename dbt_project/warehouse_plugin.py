"""The dbt-duckdb plugin of this project: makes of each build a transaction.

dbt holds the write lock on the file that it builds, warehouse/build/cinefeast.duckdb. Readers get a copy of it, put in
place by one rename. A build starts from what was published when nothing but pushed ratings came in since, and only
appends them; from an empty file in every other case (build_inputs.py). So a build that fails or is killed, at any
moment, is as if it had never begun. Two at once follow each other: a lock is held from before the first statement
until the process ends.
"""

import json
import os
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.events.logging import AdapterLogger
from dbt.flags import get_flags
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from dbt_project.build_inputs import BuildInputs
from dbt_project.build_lock import locked
from dbt_project.errors import CineFeastError
from dbt_project.events.seal import seal_events
from dbt_project.ingest.text_vectors import first_text_vectors
from dbt_project.publish import publish, remove_leftovers, start_build
from dbt_project.workspace import VARIABLE, Workspace, workspace

BESIDE_THIS_FILE = Path(__file__).resolve().parent.parent
WRITING = ("build", "run", "seed")
PARTS = ("SELECT", "EXCLUDE", "SELECTOR", "RESOURCE_TYPES", "EXCLUDE_RESOURCE_TYPES")
"""Flags by which a build leaves something out; unit tests, too, which the graph of a macro does not have."""
log = AdapterLogger("DuckDB")


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
        try:
            self.space = workspace() if named else Workspace(BESIDE_THIS_FILE / "workspace")
        except CineFeastError as error:
            raise DbtRuntimeError(str(error)) from None
        if not (self.space.raw_movielens / "manifest.json").exists():
            raise DbtRuntimeError(f"no landed data set in {self.space.root / 'raw'}; next: cinefeast fetch ml-100k")
        self.lock = locked(self.space, log.info)
        self.variables: dict[str, str | int] = {}
        self.inputs: BuildInputs | None = None
        self.is_append = False
        try:
            remove_leftovers(self.space)
            seal_events(self.space)
            first_text_vectors(self.space)
        except CineFeastError as error:
            raise DbtRuntimeError(str(error)) from None
        if get_flags().WHICH in WRITING:
            self.inputs = BuildInputs.of(self.space)
            self.is_append = start_build(self.space, self.inputs, is_full=bool(get_flags().FULL_REFRESH))
            self.variables["build_inputs"] = self.inputs.fixed

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Give SQL what it cannot do: a copy of its own file, and a rename."""
        conn.create_function("publish_warehouse", self.publish, ["VARCHAR", "BOOLEAN"], "VARCHAR", side_effects=True)
        if self.is_append:  # read once: the build renews it
            self.is_append = False
            [(rating_id,)] = conn.sql("select last_rating_id from reporting.rpt_published").fetchall()
            self.variables["last_published_rating_id"] = rating_id

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Tell SQL what is built from, and in an append how far the published ratings went: macros/append.sql."""
        for name, value in self.variables.items():
            cursor.execute(f"set variable {name} = {value!r}")

    def publish(self, built: str, is_untested: bool) -> str:
        """Show the finished build to readers: `built` has the rows of each table of the graph; what to tell of it."""
        assert self.inputs is not None
        if not is_untested and any(getattr(get_flags(), name, None) for name in PARTS):
            return "not published: a part of the project was asked for; next: dbt build"
        try:
            publish(self.space, self.inputs, json.loads(built))
        except CineFeastError as error:
            raise DbtRuntimeError(f"not published: {error}") from None
        return f"published {self.space.warehouse}"
