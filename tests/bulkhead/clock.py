"""A wall clock that a test sets while the server runs: a few lines of C before the C library's (clock.c)."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class Clock:
    """The clock of processes that are started with its `environment`. Without a C compiler it cannot be set."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "ahead", folder / "clock.so"
        self._file.write_bytes(struct.pack("=q", 0))
        compiler = shutil.which("cc")
        self.can_be_set = compiler is not None
        self.environment: dict[str, str] = {}
        if compiler:
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
            self.environment = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(self._file)}

    def step(self, seconds: int) -> None:
        """Be that much ahead of the real time, or behind, from now on."""
        with self._file.open("r+b") as file:  # the same file: processes have it in memory
            file.write(struct.pack("=q", seconds))
