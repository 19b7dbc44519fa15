"""`cinefeast bench recall`, ItemCF: what one fit costs, ratings read through Feast included."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, Workspace
from feature_repo.bench.process import run
from feature_repo.store import load_store
from models.dataset import Dataset
from models.recall.neighbours.item_cf import ItemCF, ItemCFConfig


def measure_item_cf(space: Workspace) -> dict[str, Any]:
    """Seconds and peak memory of a fit on the train and validation splits, in a process of its own.

    itemcf_fit_s, itemcf_peak_gb, and what was fitted: itemcf_ratings, itemcf_films.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as scratch:
        outcome = run("fit_item_cf", Path(scratch), module=__name__, bench="recall", root=str(space.root))
    if outcome.stopped:
        raise CineFeastError("ItemCF's fit was stopped: out of memory", "lower `most` in models/configs/item_cf.toml")
    return {
        "itemcf_fit_s": round(outcome.result["seconds"], 1),
        "itemcf_peak_gb": round(outcome.peak_gb, 2),
        "itemcf_ratings": outcome.result["ratings"],
        "itemcf_films": outcome.result["films"],
    }


def fit_item_cf(root: str) -> dict[str, Any]:
    """The step that is measured."""
    os.environ[VARIABLE] = root
    data, channel = Dataset(load_store()), ItemCF(ItemCFConfig.read("item_cf"))
    start = time.perf_counter()
    channel.fit(data, "validation")
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "ratings": data.interactions("train", "validation").num_rows,
        "films": len(channel.films),
    }
