"""What a warehouse was built from: whether the next build may append to it, or has to start anew."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from dbt_project.events.erase import snapshot
from dbt_project.events.read import landed_counts, read_sealed
from dbt_project.events.schemas import FILMS, RATINGS, SCHEMAS
from dbt_project.workspace import Workspace

PROJECT = Path(__file__).resolve().parent
CODE = ("models", "macros", "functions", "seeds")


@dataclass(frozen=True)
class BuildInputs:
    """`fixed`: a hash of the archive's tables, TMDb's documents, texts' vectors, changed films, erased users, this
    project's SQL, and DuckDB's version.

    `events`: how many sealed ratings there are of each landed file.
    """

    fixed: str
    events: Mapping[str, int]

    @classmethod
    def of(cls, space: Workspace) -> Self:
        """The inputs as they lie in the workspace now; what waits to be sealed is none yet."""
        return cls(fixed_inputs(space), landed_counts(space.events / RATINGS))

    @classmethod
    def published(cls, space: Workspace) -> Self | None:
        """The inputs of the published warehouse; None where there is none, or none that tells."""
        if not space.warehouse.exists():
            return None
        try:
            with duckdb.connect(str(space.warehouse), read_only=True) as connection:
                [(fixed,)] = connection.sql("select inputs from reporting.rpt_published").fetchall()
                events = connection.sql(
                    "select landed_file, count_rows from reporting.rpt_landed_files where source = 'ratings'"
                ).fetchall()
        except (duckdb.Error, ValueError):
            return None
        return cls(fixed, dict(events))

    def only_append_to(self, earlier: Self | None) -> bool:
        """Whether these are the earlier ones and more landed ratings."""
        return earlier is not None and self.fixed == earlier.fixed and earlier.events.items() <= self.events.items()


def fixed_inputs(space: Workspace) -> str:
    """A hash of all inputs but for ratings and feedback: a build appends where it is as before."""
    digest = hashlib.sha256((space.raw_movielens / "manifest.json").read_bytes())
    digest.update(duckdb.__version__.encode())  # its hashes of landed rows are kept
    folders = {space.raw_movielens: "*.parquet", space.raw_tmdb: "*.jsonl.gz", space.embeddings: "*.parquet"}
    for file in sorted(file for folder, pattern in folders.items() for file in folder.glob(pattern)):
        status = file.stat()
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
    code = [PROJECT / "dbt_project.yml", *(path for part in CODE for path in (PROJECT / part).rglob("*.*"))]
    for file in sorted(code):
        digest.update(file.read_bytes())
    digest.update(str(read_sealed(space.events / FILMS, SCHEMAS[FILMS]).to_pylist()).encode())
    if erased := snapshot(space):  # who was erased is in what films add up to: only a build from the start forgets it
        digest.update(str(erased).encode())
    return digest.hexdigest()
