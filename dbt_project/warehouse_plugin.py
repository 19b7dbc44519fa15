"""The dbt-duckdb plugin of this project: checks the workspace before dbt connects, publishes the warehouse after.

dbt holds the write lock on the file that it builds. Readers get a finished copy, put in place by one rename:
macros/publish_warehouse.sql writes the copy with `copy from database` and calls `publish_warehouse(path)`.
"""

import os
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from dbt_project.workspace import VARIABLE

BESIDE_THIS_FILE = Path(__file__).resolve().parent.parent


class Plugin(BasePlugin):
    """Registered in profiles.yml."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Make the warehouse folder; refuse a workspace that dbt and the other commands would see differently."""
        named = os.environ.get(VARIABLE)
        if named and not Path(named).is_absolute():
            raise DbtRuntimeError(
                f"{VARIABLE}={named} is relative, and dbt and feast start elsewhere; "
                f'next: export {VARIABLE}="$PWD/{named}"'
            )
        root = Path(named) if named else BESIDE_THIS_FILE / "workspace"
        if not (root / "raw" / "movielens" / "manifest.json").exists():
            raise DbtRuntimeError(f"no landed data set in {root / 'raw'}; next: cinefeast fetch ml-100k")
        (root / "warehouse" / "build").mkdir(parents=True, exist_ok=True)
        for leftover in (root / "warehouse").glob("*.publishing*"):
            leftover.unlink()

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Give SQL the one thing it cannot do: a rename."""
        conn.create_function("publish_warehouse", publish_warehouse, side_effects=True)


def publish_warehouse(path: str) -> str:
    """Move the finished copy `X.publishing` to `X` in one step, so that a reader sees the old one or the new one."""
    finished = Path(path)
    published = finished.with_suffix("")
    finished.replace(published)
    return str(published)
