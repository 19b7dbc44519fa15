"""`cinefeast bench recall`: what recall costs on this machine."""

from typing import Any

from dbt_project.workspace import Workspace
from models.bench.index import measure_channels, measure_index
from models.bench.item_cf import measure_item_cf
from models.bench.training import measure_training


def measure(space: Workspace, beside: str | None) -> dict[str, Any]:
    """ItemCF's fit on the workspace's ratings, training speed, search, and all trained channels on 1000 users.

    The order is that of the memory each leaves behind: ItemCF runs in a process of its own.
    """
    found = measure_item_cf(space) | measure_training(beside)
    index = measure_index()
    found["faiss_p50_ms"] = round(index.pop("faiss_p50_ms"), 3)
    return found | {"faiss": index} | _channels(space)


def _channels(space: Workspace) -> dict[str, Any]:
    """Where channels are trained in the workspace."""
    if not any(space.artifacts.glob("*/config.json")):
        return {}
    return {"offline_1000_users": measure_channels(space)}
