"""What a retrieval job gives: a stream, a file, a saved dataset; each the rows that `to_arrow` has."""

import hashlib
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from tests.conftest import Built
from tests.features.conftest import WEIRD
from tests.features.test_offline_store import FEATURES, frame_of, moments

LABELS = "select * from training.training_labels"


@pytest.fixture
def repository(in_workspace: Built) -> Any:
    """The feature store of the built workspace: windows, lists and on-demand features."""
    from feature_repo.store import load_store

    return load_store()


def features_of(store: Any, service: str) -> Any:
    """A service; "crossed" is the two towers' with the crossed features that need nothing of the request."""
    if service != "crossed":
        return store.get_feature_service(service)
    towers = store.get_feature_service("recall_two_tower_v1").feature_view_projections
    crossed = store.get_on_demand_feature_view("user_movie_cross")
    views = [(view.name, view.features) for view in towers] + [(crossed.name, crossed.features)]
    return [f"{name}:{feature.name}" for name, features in views for feature in features]


def ranked(store: Any) -> Any:
    """Every label with crossed features."""
    return store.get_historical_features(LABELS, features_of(store, "crossed"))


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """The same rows, in any order."""
    with duckdb.connect() as connection:
        connection.register("one", one)
        connection.register("other", other.select(one.column_names))
        more = "select count(*) from (select * from one except all select * from other)"
        less = "select count(*) from (select * from other except all select * from one)"
        return connection.sql(more).fetchone() == connection.sql(less).fetchone() == (0,)


@pytest.mark.parametrize("rows", [1000, 10_000_000])
def test_a_stream_has_the_rows_in_the_frames_order(repository: Any, rows: int) -> None:
    """Lists fetched a piece at a time and on-demand features computed a batch at a time change nothing."""
    job = ranked(repository)
    whole = job.to_arrow()
    reader = job.to_reader(max_chunksize=rows)
    streamed = pa.Table.from_batches(list(reader), reader.schema)
    assert (streamed.column(0).num_chunks > 1) == (rows < whole.num_rows)
    assert streamed.column_names == whole.column_names
    for name in whole.column_names:
        assert digest(streamed[name]) == digest(whole[name]), name


def digest(column: pa.ChunkedArray) -> str:
    return hashlib.sha256(repr(column.to_pylist()).encode()).hexdigest()


def test_a_stream_that_is_left_early_leaves_nothing_open(stores: dict[str, Any]) -> None:
    job = stores["ours"].get_historical_features(frame_of(moments()), FEATURES, full_feature_names=True)
    reader = job.to_reader(max_chunksize=10)
    assert reader.read_next_batch().num_rows
    del reader
    assert job.to_arrow().num_rows == 120


def test_an_empty_result_streams_its_columns(repository: Any) -> None:
    job = repository.get_historical_features(f"{LABELS} limit 0", features_of(repository, "crossed"))
    reader = job.to_reader()
    assert reader.schema.names == job.to_arrow().column_names
    assert reader.schema.field("cross_genre_share").type == pa.float64()
    assert reader.read_all().num_rows == 0


@pytest.mark.parametrize("service", ["crossed", "recall_two_tower_v1"])
def test_a_file_has_the_rows(repository: Any, service: str, tmp_path: Path) -> None:
    """With on-demand features and without."""
    job = repository.get_historical_features(LABELS, features_of(repository, service))
    job.to_parquet(tmp_path / "deep" / "rows.parquet")
    assert same_rows(job.to_arrow(), pq.read_table(tmp_path / "deep" / "rows.parquet"))


def test_a_file_is_written_whole_or_not_at_all(stores: dict[str, Any], tmp_path: Path) -> None:
    from feast.errors import SavedDatasetLocationAlreadyExists

    target = tmp_path / "it's.parquet"
    job = stores["ours"].get_historical_features(frame_of(moments()), ["plain:value"])
    job.to_parquet(target)
    broken = frame_of(["2020-01-01", "yesterday"])
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.to_parquet(target)
    with pytest.raises(CineFeastError, match="yesterday"):
        stores["ours"].get_historical_features(broken, ["plain:value"]).to_parquet(target, allow_overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["it's.parquet"]
    assert pq.read_table(target).num_rows == 120


def test_features_with_unsafe_names_reach_a_file(stores: dict[str, Any], tmp_path: Path) -> None:
    job = stores["ours"].get_historical_features(frame_of(moments()), [f"plain:{WEIRD}", "plain:items"])
    job.to_parquet(tmp_path / "rows.parquet")
    assert same_rows(job.to_arrow(), pq.read_table(tmp_path / "rows.parquet"))


@pytest.mark.filterwarnings("ignore:Saving dataset:RuntimeWarning", "ignore:Retrieving datasets:RuntimeWarning")
class TestSavedDatasets:
    """Feast's own calls, over DatasetStorage."""

    @pytest.fixture(autouse=True)
    def workspace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))

    @pytest.fixture
    def saved(self, stores: dict[str, Any]) -> Any:
        from feature_repo.offline_store.storage import DatasetStorage

        job = stores["ours"].get_historical_features(frame_of(moments()), ["plain:value", "plain:items"])
        return job, stores["ours"].create_saved_dataset(
            job, "seen", DatasetStorage("seen [1].parquet"), allow_overwrite=True
        )

    def test_come_back_from_the_registry_whole(self, stores: dict[str, Any], saved: Any, tmp_path: Path) -> None:
        """Labels too, which are neither keys nor features."""
        job, dataset = saved
        assert (tmp_path / "feast" / "datasets" / "seen [1].parquet").exists()
        for found in (dataset, stores["ours"].get_saved_dataset("seen")):
            assert same_rows(job.to_arrow(), found.to_arrow())
            assert len(found.to_df()) == 120

    def test_are_not_overwritten_unasked(self, stores: dict[str, Any], saved: Any) -> None:
        from feast.errors import SavedDatasetLocationAlreadyExists

        from feature_repo.offline_store.storage import DatasetStorage

        with pytest.raises(SavedDatasetLocationAlreadyExists):
            stores["ours"].create_saved_dataset(saved[0], "seen", DatasetStorage("seen [1].parquet"))

    def test_that_were_removed_are_named(self, stores: dict[str, Any], saved: Any, tmp_path: Path) -> None:
        (tmp_path / "feast" / "datasets" / "seen [1].parquet").unlink()
        with pytest.raises(CineFeastError, match="nothing is saved at"):
            stores["ours"].get_saved_dataset("seen").to_arrow()

    def test_hold_a_later_result_to_a_profile(self, stores: dict[str, Any], saved: Any) -> None:
        """Feast's validation, with a profile of our own in place of Great Expectations."""
        from feast.dqm.errors import ValidationFailed
        from feast.dqm.profilers.profiler import Profile, Profiler, ValidationReport

        class Report(ValidationReport):
            def __init__(self, is_alike: bool) -> None:
                self._is_alike = is_alike

            @property
            def is_success(self) -> bool:
                return self._is_alike

            @property
            def errors(self) -> list:
                return []

        class Count(Profile):
            def __init__(self, rows: int) -> None:
                self.rows = rows

            def validate(self, dataset: pd.DataFrame) -> ValidationReport:
                return Report(len(dataset) == self.rows)

        class Counting(Profiler):
            def analyze_dataset(self, dataset: pd.DataFrame) -> Profile:
                return Count(len(dataset))

        job, dataset = saved
        reference = dataset.as_reference("rows", Counting())
        assert job.to_df(validation_reference=reference).shape[0] == 120
        fewer = stores["ours"].get_historical_features(frame_of(moments(5)), ["plain:value"])
        with pytest.raises(ValidationFailed):
            fewer.to_df(validation_reference=reference)
