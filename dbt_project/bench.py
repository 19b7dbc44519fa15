"""`cinefeast bench warehouse`: what a full build costs, and one that appends new ratings, in a scratch workspace."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dbt_project.build_inputs import EVENTS
from dbt_project.errors import CineFeastError
from dbt_project.workspace import VARIABLE, Workspace

PROJECT = Path(__file__).resolve().parent
BLOCK_MB = 262_144 / 1e6
APPENDED = "20990101T000000.000000-00000000.parquet"


@dataclass(frozen=True)
class Build:
    """One `dbt build`: wall seconds, peak resident memory in GB, seconds of each model."""

    seconds: float
    peak_gb: float
    models: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """Both builds, and rows and MB of each table after the second."""

    full: Build
    append: Build
    tables: dict[str, tuple[int, float]]
    ratings: int
    appended: int

    def summary(self) -> dict[str, float]:
        """The figures that count."""
        return {
            "ratings": self.ratings,
            "appended": self.appended,
            "full_seconds": round(self.full.seconds, 1),
            "full_peak_gb": round(self.full.peak_gb, 2),
            "append_seconds": round(self.append.seconds, 1),
            "append_peak_gb": round(self.append.peak_gb, 2),
            "append_ratio": round(self.append.seconds / self.full.seconds, 3),
        }


def measure(space: Workspace, share: float) -> Measured:
    """Build what is landed in `space` from nothing, land `share` more ratings, build again; `space` stays as it is."""
    with scratch(space) as copy:
        full = build(copy)
        appended = land_more(copy, share)
        append = build(copy)
        with duckdb.connect(str(copy.warehouse), read_only=True) as connection:
            ratings = connection.sql("select count(*) from core.fct_ratings").fetchall()[0][0]
            return Measured(full, append, dict(tables(connection)), ratings - appended, appended)


@contextmanager
def scratch(space: Workspace) -> Iterator[Workspace]:
    """A workspace with the landed data of another one, removed afterwards."""
    if not (space.raw_movielens / "manifest.json").exists():
        raise CineFeastError(f"no landed data set in {space.root / 'raw'}", "cinefeast fetch ml-100k")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as folder:
        copy = Workspace(Path(folder))
        copy.raw_movielens.parent.mkdir()
        copy.raw_movielens.symlink_to(space.raw_movielens.resolve())
        copy.raw_tmdb.symlink_to(space.raw_tmdb.resolve())
        yield copy


def build(space: Workspace) -> Build:
    """Run `dbt build`; its output goes to stderr."""
    target = space.root / "dbt"
    environment = {
        **os.environ, VARIABLE: str(space.root), "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)
    }  # fmt: skip
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name("dbt")), "build"]
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise CineFeastError("dbt build failed", "see its output above")
    results = json.loads((target / "run_results.json").read_text())["results"]
    models = {
        result["unique_id"].rsplit(".", 1)[1]: result["execution_time"]
        for result in results
        if result["unique_id"].startswith("model.")
    }
    return Build(seconds, usage.ru_maxrss / 1e6, models)


def land_more(space: Workspace, share: float) -> int:
    """Land ratings of the 30 days after the last one: a third by known users, the rest by new ones, 60 each."""
    target = space.events / EVENTS / APPENDED
    target.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(space.warehouse), read_only=True) as connection:
        count = connection.sql("select count(*) from core.fct_ratings").fetchall()[0][0]
        wanted = max(1, int(count * share))
        connection.execute(
            f"""
            copy (
                with
                last as (select max(rated_at) as at, max(user_id) as user_id from core.fct_ratings),
                drawn as (
                    select user_id, movie_id, rating, row_number() over (order by hash(rating_id)) as n
                    from core.fct_ratings order by n limit {wanted}
                )
                select
                    case when n % 3 = 0 then drawn.user_id else last.user_id + 1 + n // 90 end as user_id,
                    movie_id,
                    rating,
                    last.at + to_seconds(1 + hash(n) % 2592000) as rated_at
                from drawn, last order by rated_at
            ) to '{str(target).replace("'", "''")}' (format parquet)
            """
        )
    return wanted


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, tuple[int, float]]]:
    """Name, rows and MB of each table that a model made."""
    for schema, name in connection.sql("select schema_name, table_name from duckdb_tables()").fetchall():
        relation = f'"{schema}"."{name}"'
        rows = connection.sql(f"select count(*) from {relation}").fetchall()[0][0]
        blocks = connection.sql(
            f"select count(distinct block_id) from pragma_storage_info('{schema}.{name}') where block_id >= 0"
        ).fetchall()[0][0]
        yield name, (rows, blocks * BLOCK_MB)
