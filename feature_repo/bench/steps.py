"""The steps that are measured, each run by feature_repo.bench.process in a process of its own."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from dbt_project.errors import CineFeastError
from dbt_project.sql_paths import path_literal
from feature_repo.bench import hand_written, online, twins
from feature_repo.bench.process import limit
from feature_repo.offline_store.query import copy
from feature_repo.offline_store.sql import literal
from feature_repo.store import load_store

LABELS = "select user_id, movie_id, event_timestamp, rating from training.training_labels"


def timed(call: Callable[[], Any]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def drawn(file: str) -> str:
    """The query for labels that were drawn."""
    return f"select * from read_parquet({path_literal(file)})"


def prepare(folder: str, sizes: list[int], keys: int) -> dict[str, Any]:
    """Draw labels of each size, export the marts for stock Feast, and make the small warehouse to materialize from."""
    root = Path(folder)
    with load_store().config.offline_store.opened() as connection:
        found = connection.sql("select count(*) from training.training_labels").fetchall()[0][0]
        for size in sizes:
            connection.execute(
                f"copy ({LABELS} order by hash(rating_id) limit {size}) "
                f"to {literal(str(root / f'labels-{size}.parquet'))} (format parquet)"
            )
        twins.export(connection, root)
        return {"labels": found, **online.prepare(connection, root, keys)}


def compare(folder: str, labels: str, check: str, has_lists: bool, rounds: int) -> dict[str, Any]:
    """Ours and hand-written SQL, each from labels to a parquet file in any row order, written alike, in turns."""
    store = load_store()
    references = hand_written.references(has_lists)
    sql = hand_written.LIST_SQL if has_lists else hand_written.SCALAR_SQL
    files = [Path(folder) / name for name in ("ours.parquet", "sql.parquet")]

    def ours(file: str) -> None:
        job = store.get_historical_features(drawn(file), references)
        job.to_parquet(files[0], allow_overwrite=True)

    def by_hand(file: str) -> None:
        with store.config.offline_store.opened() as connection:
            copy(connection, sql.format(labels=drawn(file)), files[1])

    ours(check)
    by_hand(check)
    checked = _equal_rows(store, files, hand_written.names(has_lists))
    seconds = [(timed(lambda: ours(labels)), timed(lambda: by_hand(labels))) for _ in range(rounds)]
    mine, theirs = (statistics.median(each) for each in zip(*seconds, strict=True))
    return {"seconds": mine, "sql_seconds": theirs, "ratio": mine / theirs, "checked_rows": checked}


def _equal_rows(store: Any, files: list[Path], names: list[str]) -> int:
    """How many rows the two files have in common; CineFeastError where they differ."""
    first, second = (f"select {', '.join(names)} from read_parquet({path_literal(file)})" for file in files)
    with store.config.offline_store.opened() as connection:
        difference = connection.sql(
            f"select count(*) from (({first} except all {second}) union all ({second} except all {first}))"
        ).fetchall()[0][0]
        count = connection.sql(f"select count(*) from ({first})").fetchall()[0][0]
    if difference:
        raise CineFeastError(
            f"the store and the hand-written SQL differ in {difference} of {count} rows",
            "cd feature_repo && feast apply",
        )
    return count


def write(folder: str, labels: str | None, has_lists: bool) -> dict[str, Any]:
    """Ours, from labels (all of them if None) to a parquet file."""
    store = load_store()
    frame = drawn(labels) if labels else LABELS
    target = Path(folder) / "written.parquet"
    seconds = timed(lambda: store.get_historical_features(frame, hand_written.references(has_lists)).to_parquet(target))
    size = target.stat().st_size / 1e9
    target.unlink()
    return {"seconds": seconds, "file_gb": size}


def to_arrow(folder: str, labels: str, kind: str, seconds: float, gb: float) -> dict[str, Any]:
    """The scalars of a pandas frame as an Arrow table: ours, or stock Feast's DuckDB store over parquet."""
    store = load_store() if kind == "ours" else twins.stock_store(Path(folder), load_store())
    frame = pd.read_parquet(labels)
    limit(seconds, gb)
    start = time.perf_counter()
    result = store.get_historical_features(frame, hand_written.references(has_lists=False)).to_arrow()
    return {"seconds": time.perf_counter() - start, "rows": result.num_rows}


def materialize(folder: str, address: str, kind: str, seconds: float, gb: float) -> dict[str, Any]:
    """Both scalar views into Redis."""
    return online.materialize(Path(folder), address, kind, load_store(), lambda: limit(seconds, gb))


def raw(address: str) -> dict[str, Any]:
    """What is in Redis, written again without Feast."""
    return online.raw(address)
