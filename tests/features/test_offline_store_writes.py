"""Events landed for the next dbt build, and logged features."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    return tmp_path


def events(**columns: Any) -> pd.DataFrame:
    made = {
        "movie_id": [3, 4],
        "user_id": [1, 2],
        "rating": [4, 2.5],
        "rated_at": pd.to_datetime(
            ["2024-05-01T09:00:00.123456789+09:00", "2024-05-01T00:00:01Z"], utc=True, format="ISO8601"
        ),
        **columns,
    }
    return pd.DataFrame(made, index=[7, 9])  # an index that pandas would take along


def landed(workspace: Path) -> list[dict[str, Any]]:
    """The lines that were landed."""
    file = workspace / "raw" / "events" / "user_movie_rating" / "pending" / "open.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_pushed_events_are_landed_for_dbt(stores: dict[str, Any], workspace: Path) -> None:
    """Feast's push and write_to_offline_store: with the view's columns and types, and the moment of arrival."""
    from feast.data_source import PushMode

    before = datetime.now(UTC).replace(tzinfo=None)
    stores["ours"].push("ratings", events(), to=PushMode.OFFLINE)
    stores["ours"].write_to_offline_store("user_movie_rating", events(user_id=[5, 6]))
    rows = landed(workspace)
    for row in rows:
        assert before <= datetime.fromisoformat(row.pop("landed_at")) <= datetime.now(UTC).replace(tzinfo=None)
    assert rows[:2] == [
        {"user_id": 1, "movie_id": 3, "rating": 4.0, "rated_at": "2024-05-01T00:00:00.123456"},
        {"user_id": 2, "movie_id": 4, "rating": 2.5, "rated_at": "2024-05-01T00:00:01.000000"},
    ]
    assert [row["user_id"] for row in rows[2:]] == [5, 6]


def test_no_events_land_no_file(stores: dict[str, Any], workspace: Path) -> None:
    stores["ours"].write_to_offline_store("user_movie_rating", events().head(0))
    assert not (workspace / "raw").exists()


@pytest.mark.parametrize(
    "columns",
    [{"rated_at": ["2024-05-01T09:00:00+09:00"] * 2}, {"rated_at": ["2024-05-01 00:00:00"] * 2}],
    ids=["offset", "UTC"],
)
def test_a_text_is_a_moment(stores: dict[str, Any], workspace: Path, columns: dict[str, Any]) -> None:
    stores["ours"].write_to_offline_store("user_movie_rating", events(**columns))
    assert [row["rated_at"] for row in landed(workspace)] == ["2024-05-01T00:00:00.000000"] * 2


SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rating": ["good", "bad"]}, "column rating"),
        ({"rating": [True, False]}, "column rating: it holds bool"),
        ({"rating": [4.0, None]}, "row 1: rating is not a number"),
        ({"rating": [4.0, 1e10]}, "row 1: rating is not between 0.5 and 5"),
        ({"rating": [4.2, 4.0]}, "row 0: rating is not in steps of half a star"),
        ({"user_id": [1.5, 2.0]}, "column user_id"),
        ({"user_id": [1.0, 2.0]}, "column user_id: it holds double"),
        ({"user_id": ["1", "2"]}, "column user_id: it holds .*string"),
        ({"user_id": ["0x12c", "2"]}, "column user_id"),
        ({"user_id": [True, False]}, "column user_id: it holds bool"),
        ({"user_id": [1, -4]}, "row 1: user id is below 0 .user_id -4, movie_id 4"),
        ({"movie_id": [3, None]}, "column movie_id"),
        ({"rated_at": [pd.NaT, pd.NaT]}, "column rated_at is null in 2 rows"),
        ({"rated_at": [1709287200, 1709287201]}, "column rated_at: it holds int64, which is not taken for timestamp"),
        ({"rated_at": ["1709287200", "1709287201"]}, "column rated_at"),
        ({"rated_at": ["1965-03-01 10:00:00"] * 2}, "row 0: timestamp is before 1995-01-01"),
        ({"rated_at": ["2024-03-01 10:00:00", "2200-01-01 00:00:00"]}, "row 1: timestamp is in the future"),
        ({"rated_at": [SOON, SOON]}, "row 0: timestamp is in the future"),
    ],
)
def test_events_that_do_not_fit_are_refused(
    stores: dict[str, Any], workspace: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(CineFeastError, match=f"events of user_movie_rating: {said}"):
        stores["ours"].write_to_offline_store("user_movie_rating", events(**columns))
    assert not (workspace / "raw").exists()


def test_events_that_nothing_reads_are_refused(stores: dict[str, Any], workspace: Path) -> None:
    """They were landed before, and either lost or, as feedback, in the way of every later build."""
    frame = pd.DataFrame({"user_id": [1], "name": ["a"], "event_timestamp": [datetime(2024, 5, 1)]})
    with pytest.raises(CineFeastError, match="events of person are read by nothing: dbt takes ratings alone"):
        stores["ours"].write_to_offline_store("person", frame)
    assert not (workspace / "raw").exists()


@pytest.mark.parametrize(("change", "said"), [("drop", "no column rating"), ("add", "an unexpected column more")])
def test_other_columns_are_refused(stores: dict[str, Any], workspace: Path, change: str, said: str) -> None:
    store, frame = stores["ours"], events()
    frame = frame.drop(columns="rating") if change == "drop" else frame.assign(more=1)
    with pytest.raises(ValueError, match="do not match the batch source columns"):  # Feast asks first
        store.write_to_offline_store("user_movie_rating", frame)
    with pytest.raises(CineFeastError, match=f"{said}; next: give the columns user_id, movie_id, rating"):
        store._get_provider().offline_write_batch(
            store.config, store.get_feature_view("user_movie_rating"), pa.Table.from_pandas(frame), None
        )
    assert not (workspace / "raw").exists()


def test_a_folder_is_never_left(workspace: Path) -> None:
    from feature_repo.offline_store.landing import land

    for name in ("../x", "a/b", ".."):
        with pytest.raises(CineFeastError, match="cannot be the name of a folder"):
            land(pa.table({"x": [1]}), workspace, name)


class TestLoggedFeatures:
    """A feature service that logs to LogDestination, through Feast's own calls."""

    @pytest.fixture
    def service(self, stores: dict[str, Any], workspace: Path) -> Any:
        from feast import FeatureService
        from feast.feature_logging import LoggingConfig

        from feature_repo.offline_store.storage import LogDestination

        store = stores["ours"]
        config = LoggingConfig(LogDestination("served"), sample_rate=0.5)
        store.apply(FeatureService(name="served", features=[store.get_feature_view("person")], logging_config=config))
        store.refresh_registry()
        return store.get_feature_service("served")

    def logs(self, store: Any, service: Any, names: list[str | None], at: list[datetime]) -> pa.Table:
        from feast.feature_logging import FeatureServiceLoggingSource

        schema = FeatureServiceLoggingSource(service, "p").get_schema(store.registry)
        values: dict[str, list] = {
            "user_id": [*range(len(names))],
            "person__name": names,
            "person__name__timestamp": at,
            "person__name__status": [2] * len(names),
            "__log_timestamp": at,
            "__log_date": [moment.date() for moment in at],
            "__request_id": [f"r{number}" for number in range(len(names))],
        }
        return pa.table(values, schema=schema)

    def read(self, store: Any, service: Any, start: datetime, end: datetime) -> list[str | None]:
        job = store._get_provider().retrieve_feature_service_logs(service, start, end, store.config, store.registry)
        return sorted(job.to_arrow()["person__name"].to_pylist(), key=str)

    def test_come_back_by_range(self, stores: dict[str, Any], service: Any, workspace: Path) -> None:
        """Tables and folders of parquet are appended; what is read is what the range holds, both ends included."""
        store, noon = stores["ours"], datetime(2024, 5, 1, 12, tzinfo=UTC)
        later = noon.replace(hour=13)
        assert service.logging_config.destination.service == "served"
        assert service.logging_config.sample_rate == 0.5
        store.write_logged_features(self.logs(store, service, ["a", None], [noon, noon]), service)
        (workspace / "spool").mkdir()
        pq.write_table(self.logs(store, service, ["b"], [later]), workspace / "spool" / "0.parquet")
        store.write_logged_features(workspace / "spool", service)
        assert len(list((workspace / "feast" / "logs" / "served").glob("*.parquet"))) == 2
        assert self.read(store, service, noon, later) == [None, "a", "b"]
        assert self.read(store, service, noon.replace(minute=1), later) == ["b"]

    def test_that_do_not_fit_are_refused(self, stores: dict[str, Any], service: Any, workspace: Path) -> None:
        logs = self.logs(stores["ours"], service, ["a"], [datetime(2024, 5, 1, tzinfo=UTC)])
        with pytest.raises(CineFeastError, match="logs of served: no column __request_id"):
            stores["ours"].write_logged_features(logs.drop_columns("__request_id"), service)
        assert not (workspace / "feast").exists()

    def test_before_the_first_say_so(self, stores: dict[str, Any], service: Any) -> None:
        noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
        with pytest.raises(CineFeastError, match="nothing is saved at"):
            self.read(stores["ours"], service, noon, noon)
