"""Parquet files that Feast writes and reads back through the store: saved datasets and logged features."""

import json
from pathlib import Path
from typing import Any

from feast.data_source import DataSource
from feast.feature_logging import LoggingDestination
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto
from feast.protos.feast.core.SavedDataset_pb2 import SavedDatasetStorage as SavedDatasetStorageProto
from feast.saved_dataset import SavedDatasetStorage

from dbt_project.workspace import workspace


class ParquetSource(DataSource):
    """A parquet file, or a folder of them, with all their columns; `timestamp_field` where a range may be asked for."""

    def __init__(self, path: Path, timestamp_field: str = "") -> None:
        super().__init__(name=path.name, timestamp_field=timestamp_field)
        self.path = path

    def files(self) -> list[Path]:
        """The files, by name."""
        return sorted(self.path.glob("*.parquet")) if self.path.is_dir() else [self.path]

    def source_type(self) -> Any:
        """Feast's mark of a source that it does not know itself."""
        return DataSourceProto.CUSTOM_SOURCE


class DatasetStorage(SavedDatasetStorage):
    """A saved dataset in one parquet file, below the workspace's feast/datasets unless the path is absolute."""

    _proto_attr_name = "custom_storage"

    def __init__(self, path: str) -> None:
        self.path = path

    @staticmethod
    def from_proto(storage_proto: SavedDatasetStorageProto) -> "DatasetStorage":
        """Read it back from the registry."""
        return DatasetStorage(json.loads(storage_proto.custom_storage.configuration)["path"])

    def to_proto(self) -> SavedDatasetStorageProto:
        """What the registry keeps."""
        options = DataSourceProto.CustomSourceOptions(configuration=json.dumps({"path": self.path}).encode())
        return self._custom_storage_proto(options)

    def to_data_source(self) -> ParquetSource:
        """The file."""
        return ParquetSource(workspace().datasets / self.path)


class LogDestination(LoggingDestination):
    """Where a feature service's logged features go: a folder of the workspace's feast/logs, named after the service."""

    _proto_kind = "cinefeast_logs"

    def __init__(self, service: str) -> None:
        self.service = service

    @classmethod
    def from_proto(cls, config_proto: LoggingConfigProto) -> "LogDestination":
        """Read it back from the registry."""
        return cls(config_proto.custom_destination.config["service"])

    def to_proto(self) -> LoggingConfigProto:
        """What the registry keeps."""
        custom = LoggingConfigProto.CustomDestination(kind=self._proto_kind, config={"service": self.service})
        return LoggingConfigProto(custom_destination=custom)

    def to_data_source(self) -> ParquetSource:
        """The folder."""
        return ParquetSource(workspace().logs / self.service, timestamp_field="__log_timestamp")
