"""What failed in the last `dbt build`: macros/tell_quality.sql notes it beside the published warehouse."""

import json

from dbt_project.workspace import Workspace


def failed_nodes(space: Workspace) -> list[str]:
    """The names of the models and tests that failed in the last build; none where it went well or was not noted."""
    try:
        lines = space.warehouse.with_name("failed_nodes.json").read_text(encoding="utf-8").splitlines()
        return [str(json.loads(line)["name"]) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return []
