"""Where Feast keeps its registry: a file, replaced at once."""

import uuid

from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig


class AtomicFileRegistryStore(FileRegistryStore):
    """Feast's own empties the file before it writes, and `feast materialize` writes once a view.

    Who read at that moment found no features, and a process killed at it left none to anybody.
    """

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Write beside the file, then put it in its place."""
        building = self._filepath.with_name(f".{self._filepath.name}-{uuid.uuid4().hex[:12]}")
        try:
            beside = FileRegistryStore(RegistryConfig(path=str(building)), building.parent)
            beside.update_registry_proto(registry_proto)
            building.replace(self._filepath)
        finally:
            building.unlink(missing_ok=True)
