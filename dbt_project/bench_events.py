"""`cinefeast bench events`: what landing events costs, and a build's reading of them, in a scratch workspace."""

import multiprocessing
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from dbt_project.events.append import append
from dbt_project.events.read import pending_files, segments
from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.events.seal import seal_events
from dbt_project.sql_macros import shared_rule
from dbt_project.sql_paths import path_literal
from dbt_project.workspace import Workspace

PUSH = 1_000
"""Events of one push, as POST /v1/events/bulk takes them."""
READ = """
create table event_ratings as
select
    row_number() over (order by landed_file, landed_row) as rating_id,
    {user_id} as user_id,
    {movie_id} as movie_id,
    try_cast(rating as float) as rating,
    date_trunc('second', try_cast(rated_at as timestamp)) as rated_at,
    landed_file,
    landed_row,
    landed_at
from read_parquet([{files}], filename = true, file_row_number = true, union_by_name = true)
"""
"""What a build does with segments: stg_events__ratings and int_event_ratings."""


@dataclass(frozen=True)
class Events:
    """`alone`, `beside`: single events acknowledged a second, by one writer and by all together.

    The rest is of the events of the second part: files and bytes before and after they are sealed, and seconds; of the
    processor, too, which other work on the machine does not make more.
    """

    alone: float
    beside: float
    writers: int
    events: int
    landed_files: int
    landed_bytes: int
    sealed_files: int
    sealed_bytes: int
    seal_seconds: float
    read_seconds: float
    processor_seconds: float

    def summary(self) -> dict[str, float]:
        """The figures that count."""
        return {
            "events_per_second": round(self.alone),
            f"events_per_second_{self.writers}_writers": round(self.beside),
            "events": self.events,
            "landed_files": self.landed_files,
            "landed_bytes_per_event": round(self.landed_bytes / self.events, 1),
            "sealed_files": self.sealed_files,
            "sealed_bytes_per_event": round(self.sealed_bytes / self.events, 1),
            "seal_seconds": round(self.seal_seconds, 1),
            "read_seconds": round(self.read_seconds, 1),
            "build_reads_seconds": round(self.seal_seconds + self.read_seconds, 1),
            "build_reads_processor_seconds": round(self.processor_seconds, 1),
        }


def measure(space: Workspace, events: int, single: int = 2_000, writers: int = 4) -> Events:
    """Land `single` events one by one, alone and beside other writers; then `events` by pushes, seal and read them."""
    space.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as folder:
        one, several, many = (Workspace(Path(folder) / name) for name in ("one", "several", "many"))
        start = time.monotonic()
        land_singly(one, single)
        alone = single / (time.monotonic() - start)
        beside = together(several, single, writers)
        landing = many.events / RATINGS
        for first in range(0, events, PUSH):
            append(landing, ratings(min(PUSH, events - first), seed=first))
        landed = [file.stat().st_size for file in pending_files(landing)]
        start, used = time.monotonic(), time.process_time()
        seal_events(many)
        seal_seconds = time.monotonic() - start
        start = time.monotonic()
        with duckdb.connect(str(many.root / "read.duckdb")) as connection:
            ids = {name: shared_rule("whole_number", f"{name}::varchar") for name in ("user_id", "movie_id")}
            connection.execute(READ.format(files=", ".join(map(path_literal, segments(landing))), **ids))
        read_seconds, used = time.monotonic() - start, time.process_time() - used
        sealed = [file.stat().st_size for file in segments(landing)]
    sizes = len(landed), sum(landed), len(sealed), sum(sealed)
    return Events(alone, beside, writers, events, *sizes, seal_seconds, read_seconds, used)


def together(space: Workspace, single: int, writers: int) -> float:
    """Events a second of several processes that land into one workspace."""
    spawn = multiprocessing.get_context("spawn")
    start_together = spawn.Barrier(writers + 1)
    processes = [spawn.Process(target=land_singly, args=(space, single, start_together)) for _ in range(writers)]
    for process in processes:
        process.start()
    start_together.wait()
    start = time.monotonic()
    for process in processes:
        process.join()
    return writers * single / (time.monotonic() - start)


def land_singly(space: Workspace, count: int, start_together: threading.Barrier | None = None) -> None:
    """One event after the other, each on disk before the next."""
    rows = ratings(count, seed=0)
    if start_together:
        start_together.wait()
    for n in range(count):
        append(space.events / RATINGS, rows.slice(n, 1))


def ratings(count: int, seed: int) -> pa.Table:
    """Ratings as many users send them in one minute."""
    random = np.random.default_rng(seed)
    moment = np.datetime64(datetime(2024, 1, 1), "us") + np.arange(count) * 60_000_000 // count
    columns = [
        random.integers(1, 200_000, count), random.zipf(1.3, count).clip(1, 87_585),
        (random.integers(1, 11, count) / 2).astype(np.float32), moment,
    ]  # fmt: skip
    return pa.table(columns, schema=SCHEMAS[RATINGS])
