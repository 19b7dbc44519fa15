"""What every dbt model has: dbt_project/dbt-bouncer.yml, and what dbt-bouncer cannot say."""

import json
from pathlib import Path

from tests.commands import REPOSITORY, run
from tests.conftest import Built


def test_the_project_keeps_its_conventions(built_workspace: Built, tmp_path: Path) -> None:
    (tmp_path / "target").symlink_to(built_workspace.root / "dbt_target")
    config = str(REPOSITORY / "dbt_project" / "dbt-bouncer.yml")
    run(tmp_path, "dbt-bouncer", "run", "--config-file", config, DBT_PROJECT_DIR=str(tmp_path))


def test_dbt_knows_each_primary_key(built_workspace: Built) -> None:
    """The columns of one test of uniqueness, none of them null: dbt infers them from tests of its names."""
    manifest = json.loads((built_workspace.root / "dbt_target" / "manifest.json").read_text())
    unique: dict[str, list[set[str]]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name", "").startswith("unique"):
            columns = node["test_metadata"]["kwargs"].get("combination_of_columns") or [node["column_name"]]
            unique.setdefault(node["attached_node"], []).append(set(columns))
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) > 50
    assert [m["name"] for m in models if set(m["primary_key"]) not in unique.get(m["unique_id"], [])] == []


def test_a_table_stays_in_an_append_where_no_event_flows_into_it(built_workspace: Built) -> None:
    """Changed films are no such event: after one the build starts anew."""
    nodes = json.loads((built_workspace.root / "dbt_target" / "manifest.json").read_text())["nodes"]

    def follows_events(node: str) -> bool:
        parents = nodes[node]["depends_on"].get("nodes", []) if node in nodes else []
        return node.endswith(("stg_events__ratings", "stg_events__feedback")) or any(map(follows_events, parents))

    kinds: dict[str, set[bool]] = {}
    for name, node in nodes.items():
        if node["resource_type"] == "model" and node["config"]["materialized"] in ("archive_table", "incremental"):
            kinds.setdefault(node["config"]["materialized"], set()).add(follows_events(name))
    assert kinds == {"archive_table": {False}, "incremental": {True}}
