"""What every dbt model has: a description ending in its grain, a tested primary key, a contract where others read."""

import json
from typing import Any

import pytest

from tests.conftest import Built


@pytest.fixture
def manifest(built_workspace: Built) -> dict[str, Any]:
    return json.loads((built_workspace.root / "dbt_target" / "manifest.json").read_text())


def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert len(found) > 50
    return found


def test_a_description_ends_in_the_grain(manifest: dict[str, Any]) -> None:
    for model in models(manifest):
        last = model["description"].rstrip(".").split(". ")[-1]
        assert last.startswith("One row per "), model["name"]


def test_a_primary_key_is_tested(manifest: dict[str, Any]) -> None:
    tested = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name") in ("unique", "unique_combination_of_columns")
    }
    assert [model["name"] for model in models(manifest) if model["unique_id"] not in tested] == []


def test_marts_have_contracts_and_described_columns(manifest: dict[str, Any]) -> None:
    for model in models(manifest):
        if "marts" in model["fqn"]:
            assert model["contract"]["enforced"], model["name"]
            assert all(column["description"] for column in model["columns"].values()), model["name"]


def test_no_mart_reads_a_landed_file(manifest: dict[str, Any]) -> None:
    """But for the accounting, which counts what was landed."""
    readers = {
        model["name"]
        for model in models(manifest)
        if "marts" in model["fqn"] and any(parent.startswith("source.") for parent in model["depends_on"]["nodes"])
    }
    assert readers == {"rpt_row_accounting"}
