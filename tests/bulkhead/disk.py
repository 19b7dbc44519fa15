"""A disk of the events' own that can be full: a small tmpfs where one can be mounted, else a limit on files' size."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.bulkhead.setup import Server

MEGABYTES = 256


class Disk:
    """Under the folder of events."""

    def __init__(self, folder: Path, is_mounted: bool) -> None:
        self.kind = "tmpfs" if is_mounted else "limit on the size of files"
        self._filler = folder / "filler"
        self._is_mounted = is_mounted

    def fill(self, server: Server) -> None:
        """Leave no byte."""
        if not self._is_mounted:
            self._limit(server, 0)
            return
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self, server: Server) -> None:
        """Room again."""
        if self._is_mounted:
            self._filler.unlink(missing_ok=True)
        else:
            self._limit(server, resource.RLIM_INFINITY)

    def _limit(self, server: Server, size: int) -> None:
        for worker in server.workers():
            with suppress(psutil.NoSuchProcess):
                worker.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def own_disk(folder: Path) -> Iterator[Disk]:
    """The folder with what it holds on a disk of its own, where this user may mount one."""
    kept = folder.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    is_mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    shutil.rmtree(kept)
    try:
        yield Disk(folder, is_mounted)
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
