"""`cinefeast bench warehouse`: what a full build costs, and one that appends, in a scratch workspace."""

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

from dbt_project.errors import CineFeastError
from dbt_project.events.schemas import RATINGS as PUSHED
from dbt_project.sql_paths import path_literal
from dbt_project.workspace import VARIABLE, Workspace

PROJECT = Path(__file__).resolve().parent
BLOCK_MB = 262_144 / 1e6
RATINGS = "ratings.parquet"


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


def measure(space: Workspace, share: float, is_late: bool = False) -> Measured:
    """Build the ratings landed in `space` but for the last `share` by time, then push those and build again.

    `is_late`: but for a share drawn from all of them, which then come years after they were given.
    """
    with scratch(space) as copy:
        appended = hold_back(space, copy, share, is_late)
        full = build(copy)
        held_back(copy).rename(copy.events / PUSHED / held_back(copy).name)
        append = build(copy)
        with duckdb.connect(str(copy.warehouse), read_only=True) as connection:
            ratings = connection.sql("select count(*) from core.fct_ratings").fetchall()[0][0]
            return Measured(full, append, dict(tables(connection)), ratings - appended, appended)


@contextmanager
def scratch(space: Workspace) -> Iterator[Workspace]:
    """A workspace with the landed data of another one but for its ratings, removed afterwards."""
    if not (space.raw_movielens / "manifest.json").exists():
        raise CineFeastError(f"no landed data set in {space.root / 'raw'}", "cinefeast fetch ml-100k")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as folder:
        copy = Workspace(Path(folder))
        copy.raw_movielens.mkdir(parents=True)
        for file in space.raw_movielens.iterdir():
            if file.name != RATINGS:
                (copy.raw_movielens / file.name).symlink_to(file.resolve())
        copy.raw_tmdb.symlink_to(space.raw_tmdb.resolve())
        if space.embeddings.exists():
            copy.embeddings.symlink_to(space.embeddings.resolve())
        yield copy


def held_back(space: Workspace) -> Path:
    """Where the last ratings wait, under the name of a push."""
    return space.root / "20990101T000000.000000-00000000.parquet"


def hold_back(space: Workspace, copy: Workspace, share: float, is_late: bool = False) -> int:
    """Write the earlier ratings as landed lines and the last ones as a push, in order of time; how many those are."""
    landed, pushed = path_literal(space.raw_movielens / RATINGS), path_literal(held_back(copy))
    earlier, last = (str(path).replace("'", "''") for path in (copy.raw_movielens / RATINGS, held_back(copy)))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"create view landed as select *, try_cast(timestamp as bigint) as second from read_parquet({landed})"
        )
        [(cut,)] = connection.sql(f"select quantile_disc(second, {1 - share}) from landed").fetchall()
        is_held = f"hash(line_number) % 1000000 < {round(share * 1e6)}" if is_late else f"second > {cut}"
        connection.execute(
            f"copy (select * exclude (second) from landed where not coalesce({is_held}, false)) "
            f"to '{earlier}' (format parquet, compression zstd)"
        )
        connection.execute(
            "copy (select try_cast(user_id as bigint) as user_id, try_cast(movie_id as bigint) as movie_id, "
            "try_cast(rating as float) as rating, make_timestamp(second * 1000000) as rated_at "
            f"from landed where {is_held} order by second, line_number) to '{last}' (format parquet)"
        )
        [(count,)] = connection.sql(f"select count(*) from read_parquet({pushed})").fetchall()
    return count


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


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, tuple[int, float]]]:
    """Name, rows and MB of each table that a model made."""
    for schema, name in connection.sql("select schema_name, table_name from duckdb_tables()").fetchall():
        relation = f'"{schema}"."{name}"'
        rows = connection.sql(f"select count(*) from {relation}").fetchall()[0][0]
        blocks = connection.sql(
            f"select count(distinct block_id) from pragma_storage_info('{schema}.{name}') where block_id >= 0"
        ).fetchall()[0][0]
        yield name, (rows, blocks * BLOCK_MB)
