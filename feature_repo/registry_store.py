"""Where Feast keeps its registry: a file, replaced at once, to which several commands may write at the same time."""

import os
import stat
import uuid
from pathlib import Path

from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig
from filelock import FileLock

from dbt_project.errors import CineFeastError
from feature_repo.registry_merge import copy_of, merged


class AtomicFileRegistryStore(FileRegistryStore):
    """Feast's own empties the file before it writes, and `feast materialize` writes once a view: who read at that
    moment found no features, and a process killed at it left none to anybody.

    Feast's own also writes back all that it once read, and where the file has changed reads it anew in the middle of an
    apply: of two commands at a time one lost what it wrote. Here changes are put on top of what the file then holds.

    Feast runs code that the file holds, so one that somebody else can write is not read: CineFeastError.
    """

    _base = Registry()
    """What the file held when it was last read or written here."""
    _mine: Registry | None = None
    """What was made of that since: Feast changes in place what it was given."""

    def get_registry_proto(self) -> Registry:
        """What the file holds, with changes that were made before and are not written yet."""
        check_trusted(self._filepath)
        found: Registry = super().get_registry_proto()
        base, mine = self._base, self._mine
        self._base = copy_of(found)
        self._mine = found if mine is None or mine == base else merged(base, found, mine)
        return self._mine

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Put the changes on top of what others have written, beside the file; then put it in its place."""
        building = self._filepath.with_name(f".{self._filepath.name}-{uuid.uuid4().hex[:12]}")
        self._filepath.parent.mkdir(exist_ok=True)
        with FileLock(self._filepath.with_name("registry.lock")):
            if self._filepath.exists():
                check_trusted(self._filepath)
                theirs = FileRegistryStore.get_registry_proto(self)
                if theirs.version_id != self._base.version_id:
                    base = self._base if registry_proto is self._mine else Registry()
                    registry_proto.CopyFrom(merged(base, theirs, registry_proto))
            try:
                building.touch(mode=0o644, exist_ok=False)  # no umask lets the group write what is code
                beside = FileRegistryStore(RegistryConfig(path=str(building)), building.parent)
                beside.update_registry_proto(registry_proto)
                building.replace(self._filepath)
            finally:
                building.unlink(missing_ok=True)
        self._base, self._mine = copy_of(registry_proto), registry_proto


def check_trusted(path: Path) -> None:
    """CineFeastError where somebody other than this process's user and root can write the file, if there is one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return  # which Feast has its own words for
    code = "Feast runs code that is in it"
    if status.st_uid not in (os.geteuid(), 0):
        raise CineFeastError(f"{path} belongs to another user ({status.st_uid}), and {code}", f"chown $(id -u) {path}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CineFeastError(f"{path} can be written by other users, and {code}", f"chmod go-w {path}")
