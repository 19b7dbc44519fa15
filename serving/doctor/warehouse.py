"""The second step: is the published warehouse there, and is it of what is landed now? And what does it say?"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from rich.filesize import decimal

from dbt_project.build_inputs import BuildInputs
from dbt_project.errors import CineFeastError
from dbt_project.events.read import read_all
from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.failed_nodes import failed_nodes
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from serving.doctor.checks import Check, combined
from serving.doctor.landed import Landed
from serving.statistics.thresholds import MEMORY, REJECTED_WARN, REJECTED_WRONG

BUILD = "cd dbt_project && dbt build"
REJECTED = "cd dbt_project && dbt show --select rejected_rows"


@dataclass(frozen=True)
class Warehouse:
    """What the published file says of itself.

    published: when it was published, seconds since 1970
    accounting: landed table -> rows read, accepted, rejected
    latest: moment of the last rating, UTC; None without ratings
    """

    path: Path
    published: float
    accounting: dict[str, tuple[int, int, int]]
    latest: datetime | None


def opened(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """The published file, for small queries over tables of any size."""
    return open_warehouse(str(path), MEMORY)


def read_warehouse(space: Workspace) -> Warehouse:
    """Read the facts. Raises CineFeastError where there is no warehouse, it is locked, or it is none of ours."""
    path = space.warehouse
    if not path.exists():
        failed = failure(space)
        raise CineFeastError(f"missing: no warehouse at {path}{'; ' if failed else ''}{failed}", BUILD)
    published = path.stat().st_mtime
    with opened(path) as connection:
        try:
            accounting = connection.sql(
                "select source, count_read, count_accepted + count_tombstones + count_surplus + count_erased, "
                "count_rejected from reporting.rpt_row_accounting"
            ).fetchall()
            latest = connection.sql("select max(event_timestamp) from training.training_labels").fetchone()
        except duckdb.Error as error:
            raise CineFeastError(f"{path} is not as this version builds it: {error}", BUILD) from error
    counts = {source: (read, accepted, rejected) for source, read, accepted, rejected in accounting}
    return Warehouse(path, published, counts, latest[0] if latest else None)


def failure(space: Workspace) -> str:
    """What failed in the last build, "" where nothing did. What is published is of the build before."""
    failed = failed_nodes(space)
    more = f" and {len(failed) - 5:,} more" if len(failed) > 5 else ""
    return f"the last build failed: {', '.join(failed[:5])}{more}" if failed else ""


def waiting(space: Workspace) -> pa.Table:
    """The pushed ratings that the published warehouse does not hold, by what it says that it took in."""
    built = BuildInputs.published(space)
    return read_all(space.events / RATINGS, SCHEMAS[RATINGS], without=built.events if built else ())


def warehouse_check(space: Workspace, landed: Landed | None, warehouse: Warehouse) -> Check:
    """Stale where dbt would build it anew, by what the warehouse says that it was built from.

    That only pushed ratings came in since is no more than a warning: the online store has had them already.
    """
    when = iso_time(warehouse.published)
    findings = []
    if failed := failure(space):
        findings.append(Check("", "wrong", failed, BUILD))
    if landed is not None:
        built = BuildInputs.published(space)
        count = waiting(space).num_rows
        if built is None:
            findings.append(Check("", "wrong", f"stale: nothing says what the build of {when} was made from", BUILD))
        elif built.fixed != landed.inputs.fixed:
            changed = "the data set, the erased users, the documents or dbt's models have changed"
            what = f"stale: since the build of {when} {changed}"
            findings.append(Check("", "wrong", what, BUILD))
        elif not landed.inputs.only_append_to(built):
            what = f"stale: pushed ratings are gone since the build of {when}"
            findings.append(Check("", "wrong", what, BUILD))
        elif count:
            events = "1 event" if count == 1 else f"{count:,} events"
            findings.append(Check("", "warn", f"stale: {events} landed after the build of {when}", BUILD))
    return combined("warehouse", findings, f"fresh: published {when}, {decimal(warehouse.path.stat().st_size)}")


def iso_time(seconds: float) -> str:
    """Seconds since 1970 for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def rows_check(warehouse: Warehouse) -> Check:
    """Wrong where a table's read rows are not its accepted and rejected ones, or too many are rejected."""
    findings = []
    for name, (read, accepted, rejected) in sorted(warehouse.accounting.items()):
        share = rejected / read if read else 0.0
        if read != accepted + rejected:
            what = f"{name}: {read:,} read, but {accepted:,} accepted and {rejected:,} rejected"
            findings.append(Check("", "wrong", what, BUILD))
        elif share > REJECTED_WARN:
            status = "wrong" if share > REJECTED_WRONG else "warn"
            findings.append(Check("", status, f"{name}: {share:.1%} of {read:,} rows rejected", REJECTED))  # type: ignore[arg-type]
    read, rejected = (sum(counts[place] for counts in warehouse.accounting.values()) for place in (0, 2))
    return combined("rows", findings, f"{read:,} read, all accounted for, {rejected:,} rejected")


def ratings_check(warehouse: Warehouse) -> Check:
    """How far the ratings reach. No threshold: a published data set ends when it ends."""
    if warehouse.latest is None:
        return Check("freshness", "wrong", "the warehouse holds no rating", "cinefeast fetch ml-100k")
    return Check("freshness", "ok", f"the last rating is of {warehouse.latest:%Y-%m-%d %H:%M:%S} UTC")
