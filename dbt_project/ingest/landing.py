"""Raw tables on disk: parquet with every column as text, built aside and then shown at once."""

import fcntl
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.ingest.archive import find_member
from dbt_project.ingest.datasets import LINKS_CSV, REQUIRED, TABLES, FileFormat, MovieLens
from dbt_project.ingest.lines import landed_schema, read_tables
from dbt_project.ingest.progress import byte_progress
from dbt_project.workspace import VARIABLE, Workspace


@contextmanager
def raw_directory(space: Workspace) -> Iterator[Path]:
    """The raw directory of a workspace, for one run at a time: the lock dies with its process.

    A directory that cannot be written, or a full disk, is one CineFeastError.
    """
    raw = space.raw_movielens.parent
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with (raw / ".landing.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CineFeastError(
                    f"another fetch, collect or embed is writing to {raw}", "wait for it to end, then try again"
                ) from None
            yield raw
    except OSError as error:
        raise CineFeastError(
            f"cannot write to {error.filename or raw}: {error.strerror or error}",
            f"set {VARIABLE} to a directory with free space that you may write to",
        ) from None


@contextmanager
def landing(space: Workspace) -> Iterator[Path]:
    """A fresh directory to build the MovieLens tables in, removed if it has not been published."""
    with raw_directory(space) as raw:
        building = raw / ".movielens-building"
        # what a killed run left: what it was building, or what its link was to show or had shown
        for left in {building, *raw.glob(".movielens-*")} - {space.raw_movielens.resolve()}:
            left.unlink() if left.is_symlink() else shutil.rmtree(left, ignore_errors=True)
        building.mkdir()
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


def land_tables(
    archive: zipfile.ZipFile, path: Path, dataset: MovieLens, links: Path | None, directory: Path
) -> dict[str, dict]:
    """Write the five tables below `directory`; returns the manifest's `files`."""
    files = {}
    for table in TABLES:
        if table == "links" and links is not None:
            with open_links(links) as stream:
                size = links.stat().st_size
                files[table] = land_table(stream, size, table, LINKS_CSV, str(links), directory, True)
            files[table]["file"] = links.name
            continue
        file = dataset.layout.get(table)
        member = find_member(archive, file.name) if file else None
        if file is None or member is None:
            pq.write_table(landed_schema(table).empty_table(), directory / f"{table}.parquet")
            files[table] = {"file": None, "rows": 0, "malformed": 0}
            continue
        where = f"{path}: {member.filename}"
        with open_member(archive, member, where) as stream:
            size = member.file_size
            files[table] = land_table(stream, size, table, file, where, directory, table in REQUIRED)
        files[table]["file"] = member.filename
    return files


@contextmanager
def open_links(links: Path) -> Iterator[IO[bytes]]:
    """The file of --links as a stream."""
    try:
        stream = links.open("rb")
    except OSError as error:
        raise CineFeastError(
            f"cannot read the links file {links}: {error.strerror}",
            "give --links a csv of movieId,imdbId,tmdbId",
        ) from None
    with stream:
        yield stream


@contextmanager
def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Iterator[IO[bytes]]:
    """A member as a stream; zipfile says "encrypted" with a bare RuntimeError."""
    try:
        stream = archive.open(member)
    except RuntimeError as error:
        raise CineFeastError(
            f"{where} cannot be read: {error}", "unpack it and zip it again without a password"
        ) from None
    with stream:
        yield stream


def land_table(
    stream: IO[bytes], size: int, table: str, file: FileFormat, where: str, directory: Path, is_required: bool
) -> dict:
    """Write one table as parquet and count its rows.

    CineFeastError where a required file holds no rows, or none that could be split.
    """
    rows = malformed = 0
    with (
        pq.ParquetWriter(directory / f"{table}.parquet", landed_schema(table), compression="zstd") as writer,
        byte_progress(file.name, size) as on_progress,
    ):
        for batch in read_tables(stream, table, file, where, on_progress):
            writer.write_table(batch)
            rows += batch.num_rows
            malformed += batch.num_rows - batch["malformed_line"].null_count
    if rows == 0 and is_required:
        raise CineFeastError(f"{where} is empty: it has no rows", f"give a {file.name} that has some")
    if rows == malformed and is_required:
        raise CineFeastError(
            f"{where}: none of its {rows:,} lines has {len(file.columns)} fields between {file.separator!r}",
            f"give a {file.name} in the published layout",
        )
    return {"file": where, "rows": rows, "malformed": malformed}
