"""The first step of the chain: what lies in raw/."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.build_inputs import BuildInputs
from dbt_project.errors import CineFeastError
from dbt_project.events.read import pending_files, read_pending
from dbt_project.events.schemas import SCHEMAS
from dbt_project.events.seal import check_segments
from dbt_project.workspace import Workspace
from serving.doctor.checks import Check, combined

FETCH = "cinefeast fetch ml-100k"


@dataclass
class Landed:
    """What is landed.

    tables: rows of each table of the data set, as its manifest has them
    inputs: what dbt would build from
    """

    dataset: str
    tables: dict[str, int]
    inputs: BuildInputs
    findings: list[Check] = field(default_factory=list)

    @property
    def ratings(self) -> int:
        """Ratings that the next build reads."""
        return self.tables.get("ratings", 0) + sum(self.inputs.events.values())


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
    landed = Landed(dataset, tables, BuildInputs.of(space))
    again = f"cinefeast fetch {dataset}"
    if not any(space.raw_tmdb.glob("*.jsonl.gz")):
        landed.findings.append(Check("", "wrong", f"no documents in {space.raw_tmdb}", again))
    for name, rows in tables.items():
        path = space.raw_movielens / f"{name}.parquet"
        found = parquet_rows(path)
        if found != rows:
            has = "cannot be read" if found is None else f"has {found:,} rows"
            landed.findings.append(Check("", "wrong", f"{path} {has}, its manifest says {rows:,}", again))
    landed.findings += [Check("", "wrong", error.what, error.next_command) for error in unreadable_events(space)]
    return landed


def unreadable_events(space: Workspace) -> list[CineFeastError]:
    """What is wrong with landed events, sealed or not: a line for each kind."""
    found = []
    for kind, schema in SCHEMAS.items():
        try:
            check_segments(space.events / kind)
            for file in pending_files(space.events / kind):
                read_pending(file, schema)
        except CineFeastError as error:
            found.append(error)
    return found


def parquet_rows(path: Path) -> int | None:
    """Rows of a parquet file by its footer, None where it cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def landed_check(landed: Landed) -> Check:
    """How the landing stands."""
    pushed = sum(landed.inputs.events.values())
    ratings = f"{landed.tables.get('ratings', 0):,} ratings{f' and {pushed:,} pushed ones' if pushed else ''}"
    return combined("landed", landed.findings, f"fresh: {landed.dataset}, {ratings}")
