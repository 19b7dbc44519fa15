"""The second step: is the published warehouse there, and is it of what is landed now? And what does it say?"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.filesize import decimal

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from serving.doctor.checks import Check, combined
from serving.doctor.landed import Landed
from serving.doctor.thresholds import MEMORY, REJECTED_WARN, REJECTED_WRONG

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


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file for small queries over tables of any size."""
    with open_warehouse(str(path)) as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'")
        yield connection


def read_warehouse(space: Workspace) -> Warehouse:
    """Read the facts. Raises CineFeastError where there is no warehouse, it is locked, or it is none of ours."""
    path = space.warehouse
    if not path.exists():
        raise CineFeastError(f"missing: no warehouse at {path}", BUILD)
    published = path.stat().st_mtime
    with opened(path) as connection:
        try:
            accounting = connection.sql(
                "select source, count_read, count_accepted, count_rejected from reporting.rpt_row_accounting"
            ).fetchall()
            latest = connection.sql("select max(event_timestamp) from training.lbl_ratings").fetchone()
        except duckdb.Error as error:
            raise CineFeastError(f"{path} is not as this version builds it: {error}", BUILD) from error
    counts = {source: (read, accepted, rejected) for source, read, accepted, rejected in accounting}
    return Warehouse(path, published, counts, latest[0] if latest else None)


def waiting_events(landed: Landed, warehouse: Warehouse) -> int:
    """Rows landed that the build did not read, by counting: clocks cannot tell what came while dbt was reading.

    Below 0 where the build read more than is landed now.
    """
    read = sum(count for name, (count, *_) in warehouse.accounting.items() if not name.startswith("tmdb"))
    return landed_rows(landed) - read


def landed_rows(landed: Landed) -> int:
    """Rows of the data set's tables and of the events."""
    return sum(landed.tables.values()) + sum(landed.events.values())


def warehouse_check(landed: Landed | None, warehouse: Warehouse) -> Check:
    """Stale where a landed file is newer than the build, or where the build read other rows than are landed.

    That only events came since is no more than a warning: the online store has had them already.
    """
    file = warehouse.path
    when = moment(warehouse.published)
    findings = []
    if landed is not None:
        newest, changed = landed.newest
        waiting = waiting_events(landed, warehouse)
        if changed > warehouse.published:
            findings.append(Check("", "wrong", f"stale: published {when}, {newest} is newer", BUILD))
        elif waiting < 0 or waiting > sum(landed.events.values()):
            read = landed_rows(landed) - waiting
            what = f"stale: it read {read:,} rows, {landed_rows(landed):,} are landed"
            findings.append(Check("", "wrong", what, BUILD))
        elif waiting:
            findings.append(Check("", "warn", f"stale: {waiting:,} events landed after the build of {when}", BUILD))
    return combined("warehouse", findings, f"fresh: published {when}, {decimal(file.stat().st_size)}")


def moment(seconds: float) -> str:
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
