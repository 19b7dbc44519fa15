"""When a question is asked, against Python's own calendar."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from models.recall.nn import context

MOMENTS = [datetime(1970, 1, 1), datetime(1999, 12, 31, 23, 59, 59), datetime(2000, 2, 29, 5), datetime(2024, 7, 1, 12)]


def asked(gap: int) -> pa.Table:
    """Someone asks at each moment, `gap` seconds after their last rating."""
    seconds = [int(moment.replace(tzinfo=UTC).timestamp()) for moment in MOMENTS]
    return pa.table({
        "event_timestamp": pa.array(MOMENTS, pa.timestamp("us")),
        "user_recent_timestamps": pa.array([[1, second - gap] for second in seconds], pa.list_(pa.int64())),
    })  # fmt: skip


def test_hour_and_weekday() -> None:
    found = context.context(asked(0))
    assert found.hour.tolist() == [moment.hour for moment in MOMENTS]
    assert found.weekday.tolist() == [moment.weekday() for moment in MOMENTS]


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(0, 1), (1, 2), (9, 2), (10, 3), (86_399, 7), (86_400, 8), (4 * 10**8, context.GAPS - 1), (-5, 1)],
)
def test_gap(seconds: int, step: int) -> None:
    assert (context.context(asked(seconds).slice(1)).gap == step).all()


def test_nobody_rated_is_no_gap() -> None:
    table = pa.table({"user_recent_timestamps": pa.array([None, []], pa.list_(pa.int64()))})
    assert context.context(table).gap.tolist() == [0, 0]
    assert context.context(pa.table({"user_id": [1]})).gap.tolist() == [0]


def test_a_row_that_does_not_say_is_asked_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """An online table has no moment; a null one is no moment either, typed or not."""
    now = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
    monkeypatch.setattr(context.time, "time", now.timestamp)
    said = pa.array([None, MOMENTS[3]], pa.timestamp("us"))
    for table, hours in (
        (pa.table({"user_recent_timestamps": [[int(now.timestamp()) - 100]]}), [17]),
        (pa.table({"event_timestamp": pa.nulls(2)}), [17, 17]),
        (pa.table({"event_timestamp": said}), [17, 12]),
    ):
        found = context.context(table)
        assert found.hour.tolist() == hours
        assert found.weekday[0] == now.weekday()
    assert context.context(pa.table({"user_recent_timestamps": [[int(now.timestamp()) - 100]]})).gap.tolist() == [4]
    assert context.request_times(pa.table({"event_timestamp": said})).dtype == np.int64


def test_a_moment_with_a_zone_is_the_same_moment() -> None:
    zoned = pa.table({"event_timestamp": pa.array(MOMENTS, pa.timestamp("us", "UTC"))})
    assert context.request_times(zoned).tolist() == context.request_times(asked(0)).tolist()
