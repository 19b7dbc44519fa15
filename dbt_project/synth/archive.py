"""Writing what was made: a zip in the layout of ml-32m and a gzip of documents, aside first."""

import fcntl
import gzip
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import csv

from dbt_project.errors import CineFeastError

LAYOUT = (
    "ml-32m"  # the published data set whose layout the archives have: its folder and its name for `cinefeast fetch`
)
WRITTEN = (2023, 10, 13, 0, 0, 0)
LEVEL = 1  # of compression: a third larger than level 6, four times as fast


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A fresh folder in `out` to write in, for one run at a time; its files are moved to `out` at the end.

    What a killed run left is removed. A folder that cannot be written, or a full disk, is one CineFeastError.
    """
    aside = out / ".writing"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with lock(out):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                yield aside
                for file in sorted(aside.iterdir()):
                    file.replace(out / file.name)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise CineFeastError(
            f"cannot write to {error.filename or out}: {error.strerror or error}",
            "cinefeast synth --out DIR with a directory that has free space and that you may write to",
        ) from None


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder; the lock dies with its process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CineFeastError(f"another cinefeast synth is writing to {folder}", "wait for it to end") from None
    finally:
        os.close(descriptor)


@contextmanager
def create_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip to write members to with `create_member`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        yield archive


@contextmanager
def create_member(archive: zipfile.ZipFile, name: str, header: str = "") -> Iterator[IO[bytes]]:
    """A file in the folder of the layout; `header` is its first line."""
    info = zipfile.ZipInfo(f"{LAYOUT}/{name}", WRITTEN)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    info._compresslevel = LEVEL  # type: ignore[attr-defined]  # public from Python 3.13: compress_level
    with archive.open(info, "w") as stream:
        stream.write(f"{header}\n".encode() if header else b"")
        yield stream


def write_rows(stream: IO[bytes], table: pa.Table) -> None:
    """Append a table as csv. Nothing is quoted: no text may hold a comma."""
    stream.write(to_csv(table))


def to_csv(table: pa.Table) -> bytes:
    """The rows of a table as csv without a header."""
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False, quoting_style="none"))
    return sink.getvalue().to_pybytes()


@contextmanager
def create_gzip(path: Path) -> Iterator[IO[bytes]]:
    """A gzip file without its name and time in it."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
        yield packed  # type: ignore[misc]
