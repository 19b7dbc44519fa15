"""The first step of the chain: what lies in raw/."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from serving.doctor.checks import Check, combined

FETCH = "cinefeast fetch ml-100k"


@dataclass
class Landed:
    """What is landed.

    tables: rows of each table of the data set, as its manifest has them
    events: files of events written since, oldest first, and the rows of each
    newest: the file that changed last among those that a build always reads, and when (seconds since 1970)
    """

    dataset: str
    tables: dict[str, int]
    newest: tuple[Path, float]
    events: dict[Path, int] = field(default_factory=dict)
    findings: list[Check] = field(default_factory=list)

    @property
    def ratings(self) -> int:
        """Ratings that the next build reads."""
        return self.tables.get("ratings", 0) + sum(self.events.values())


def read_landed(space: Workspace) -> Landed:
    """Look at raw/. Raises CineFeastError where no data set is landed; smaller faults become findings."""
    manifest = space.raw_movielens / "manifest.json"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        tables = {name: int(file["rows"]) for name, file in content["files"].items()}
        dataset = str(content["dataset"])
    except FileNotFoundError:
        raise CineFeastError(f"missing: no landed data set in {space.raw_movielens}", FETCH) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CineFeastError(f"{manifest} is damaged: {error!r}", FETCH) from None
    documents = sorted(space.raw_tmdb.glob("*.jsonl.gz"))
    sources = [manifest, *documents, *([space.raw_tmdb] if documents else [])]
    newest = max(((path, path.stat().st_mtime) for path in sources), key=lambda pair: pair[1])
    landed = Landed(dataset, tables, newest)
    again = f"cinefeast fetch {dataset}"
    if not documents:
        landed.findings.append(Check("landed", "wrong", f"no documents in {space.raw_tmdb}", again))
    for name, rows in tables.items():
        path = space.raw_movielens / f"{name}.parquet"
        found = parquet_rows(path)
        if found != rows:
            has = "cannot be read" if found is None else f"has {found:,} rows"
            landed.findings.append(Check("landed", "wrong", f"{path} {has}, its manifest says {rows:,}", again))
    read_events(space, landed)
    return landed


def read_events(space: Workspace, landed: Landed) -> None:
    """Count the events; a file that is no parquet would stop the next build."""
    for path in event_files(space):
        rows = parquet_rows(path)
        if rows is None:
            what = f"{path} is no parquet file: written half?"
            landed.findings.append(Check("landed", "wrong", what, f"mv {path} {path}.broken"))
        else:
            landed.events[path] = rows


def event_files(space: Workspace) -> Iterator[Path]:
    """Files of raw/events/<view>/, by name: names sort by arrival."""
    yield from sorted((space.root / "raw" / "events").glob("*/*.parquet"), key=lambda path: path.name)


def parquet_rows(path: Path) -> int | None:
    """Rows of a parquet file by its footer, None where it cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def landed_check(landed: Landed) -> Check:
    """How the landing stands."""
    events = f" and {sum(landed.events.values()):,} events since" if landed.events else ""
    return combined(
        "landed", landed.findings, f"fresh: {landed.dataset}, {landed.tables.get('ratings', 0):,} ratings{events}"
    )
