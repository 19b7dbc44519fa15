"""What the doctor tells of events that were landed, and of a warehouse that does not know of them."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.events.append import append
from dbt_project.events.schemas import RATINGS, SCHEMAS
from dbt_project.workspace import Workspace
from serving.doctor.examine import examine
from tests.serving.test_doctor_steps import line


def land_events(space: Workspace, *rows: int) -> list[Path]:
    """Files of pushed ratings, of so many users each."""
    files = []
    for number, count in enumerate(rows):
        files.append(space.events / RATINGS / f"20300101T00000{number}.000000-0123abcd.parquet")
        given = {
            "user_id": range(1, count + 1),
            "movie_id": [1] * count,
            "rating": [3] * count,
            "rated_at": [0] * count,
        }
        pq.write_table(pa.table(given).cast(SCHEMAS[RATINGS]), files[-1])
    return files


def test_a_warehouse_that_nobody_noted(broken: Workspace) -> None:
    """As another version built it."""
    with duckdb.connect(str(broken.warehouse)) as connection:
        connection.execute("drop table reporting.rpt_landed_files")
    assert "nothing says what" in line(examine(broken), "warehouse").detail


def test_events_since_the_build_are_counted(broken: Workspace) -> None:
    (sealed,) = land_events(broken, 3)
    append(broken.events / RATINGS, pq.read_table(sealed).slice(1))  # as writers land them
    found = examine(broken)
    assert found.status == "warn"
    waiting = line(found, "warehouse")
    assert waiting.status == "warn"
    assert "5 events landed after the build" in waiting.detail
    assert waiting.next == "cd dbt_project && dbt build"


def test_events_that_are_gone(broken: Workspace) -> None:
    with duckdb.connect(str(broken.warehouse)) as connection:
        connection.execute(
            "insert into reporting.rpt_landed_files (source, landed_file, count_rows) values ('ratings', 'gone', 1)"
        )
    assert "pushed ratings are gone" in line(examine(broken), "warehouse").detail


def test_an_event_file_written_half(broken: Workspace) -> None:
    _, half = land_events(broken, 3, 2)
    half.write_bytes(half.read_bytes()[:-20])
    found = examine(broken)
    assert f"{half} is not a whole parquet file" in line(found, "landed").detail
    assert str(line(found, "landed").next).startswith(f"mv {half} ")
    assert "3 events landed" in line(found, "warehouse").detail
