"""`make peers`: our split for other libraries, and their answers measured as ours are.

Other libraries live in an environment of their own (tests/peers). What goes there and comes back are files: the ratings
with their split and the cases without their answers; and the films that each peer names for each case.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.cases import Cases
from models.evaluation.evaluate import Measured
from models.evaluation.protocols import Protocol, averaged
from models.evaluation.record import RESULTS, made_of, provenance, read_json, write_json
from models.train import check_protocol

ASKED = {"time": "time-streaming", "leave-one-out": "leave-one-out"}
RUN = "make peers"


def draws_of(data: Dataset) -> list[Cases]:
    """The cases of a split's main protocol: five draws of time-streaming, or everyone's last film."""
    test = cases.held_out(data)
    if data.protocol == "leave-one-out":
        return [cases.leave_one_out(test)]
    return [cases.streaming(test, seed) for seed in range(cases.DRAWS)]


def export(protocol: Any = "time") -> Path:
    """Write interactions.parquet, cases.parquet and meta.json to the workspace; the folder they are in."""
    from feature_repo.store import load_store

    check_protocol(protocol)
    data = Dataset(load_store(), protocol)
    folder = workspace().peers / protocol
    folder.mkdir(parents=True, exist_ok=True)
    events = data.interactions().sort_by([("event_timestamp", "ascending"), ("rating_id", "ascending")])
    kept = events.select(["user_id", "movie_id", "event_timestamp", data.split_column])
    pq.write_table(
        kept.rename_columns(["user_id", "movie_id", "event_timestamp", "split"]), folder / "interactions.parquet"
    )
    frame = pd.concat([draw.frame for draw in draws_of(data)], ignore_index=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "cases.parquet")
    (folder / "meta.json").write_text(json.dumps({"data_hash": data.data_hash, "cases": len(frame)}), encoding="utf-8")
    return folder


def measure(protocol: Any = "time") -> Path:
    """Measure what the peers answered, beside every trained channel of ours; the result file.

    Raises CineFeastError where nothing was exported or answered, or other ratings were.
    """
    from feature_repo.store import load_store

    check_protocol(protocol)
    folder = workspace().peers / protocol
    payload = read_json(folder / "peers.json", RUN)
    ours = Measured(workspace(), load_store(), protocol, [])
    meta = read_json(folder / "meta.json", RUN)
    if meta["data_hash"] != ours.data.data_hash:
        raise CineFeastError(f"{folder} holds other ratings than the warehouse", RUN)
    draws, asker = draws_of(ours.data), ours.protocol()
    rank = asker.rank_now if ours.ranker else None
    found = asker.measure(draws, rank)
    seconds = ours.artifacts()
    result: dict[str, Any] = {
        **made_of(workspace()),
        **provenance(f"make peers PROTOCOL={protocol}", range(len(draws))),
        "protocol": ASKED[protocol],
        "users": found["users"],
        "ours": {n: {**seconds.get(n, {}), **values} for n, values in found["channels"].items()},
        "peers": {},
        "intervals": found["intervals"],
    }
    for name, about in payload.items():
        means, intervals = answered(folder / f"{name}.npy", draws, asker)
        result["peers"][name], result["intervals"][name] = {**about, **means}, intervals
    suffix = "" if protocol == "time" else f"-{protocol}"
    path = RESULTS / f"peers-{result['name']}{suffix}.json"
    write_json(path, result)
    return path


def answered(path: Path, draws: list[Cases], asker: Protocol) -> tuple[dict[str, float], dict[str, list[float]]]:
    """A peer's means and intervals, out of its lists (cases, k) of all draws one after the other."""
    ids = np.load(path, allow_pickle=False)
    ends = np.cumsum([len(draw.frame) for draw in draws])
    if len(ids) != ends[-1]:
        raise CineFeastError(f"{path} answers {len(ids)} cases of {ends[-1]}", RUN)
    parts = np.split(ids, ends[:-1])
    return averaged([asker.score(draw, lists) for draw, lists in zip(draws, parts, strict=True)])
