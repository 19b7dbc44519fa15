"""`cinefeast collect --from FILE`: a file of TMDb documents, one a line, into raw/tmdb.

The documents are what `GET /3/movie/{id}?append_to_response=credits,keywords` returns
(https://developer.themoviedb.org/reference/movie-details). Nothing is converted here: dbt reads the landed
lines and rejects the bad ones with a reason.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dbt_project.errors import CineFeastError
from dbt_project.ingest.json_lines import parsed
from dbt_project.ingest.landing import raw_directory
from dbt_project.ingest.progress import byte_progress
from dbt_project.workspace import Workspace

NOTICE = (
    "This product uses the TMDB API but is not endorsed or certified by TMDB. "
    "TMDB's terms (https://www.themoviedb.org/api-terms-of-use) ask for this attribution, restrict machine-learning "
    "use without their agreement, and let data be kept for six months at most: older documents are asked for again."
)
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class LandedDocuments:
    """Where the documents were landed, how many, and how many lines are not JSON objects."""

    file: Path
    documents: int
    bad: int


def collect(source: Path, space: Workspace) -> LandedDocuments:
    """Land `source` (.jsonl or .jsonl.gz) as raw/tmdb/<stem>.jsonl.gz.

    A line that is no JSON object is kept and counted. A file that cannot be read to its end, or that holds no
    document at all, is a CineFeastError and leaves what was landed before.
    """
    target = space.raw_tmdb / f"{source.name.removesuffix('.gz').removesuffix('.jsonl')}.jsonl.gz"
    part = target.with_name(f"{target.name}.part")
    documents = bad = 0
    with raw_directory(space):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with gzip.open(part, "wt", encoding="utf-8", compresslevel=6, newline="\n") as landed:
                for line, is_document in read_documents(source):
                    landed.write(f"{line}\n")
                    documents, bad = documents + is_document, bad + (not is_document)
            if documents == 0:
                raise CineFeastError(
                    f"{source} holds no TMDb document: none of its {bad:,} lines is a JSON object",
                    "cinefeast collect --from FILE.jsonl.gz",
                )
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return LandedDocuments(target, documents, bad)


def read_documents(source: Path) -> Iterator[tuple[str, bool]]:
    """The lines of `source` that are not blank, and whether each is a JSON object.

    What no text file may hold (bytes that are not UTF-8, control characters) is replaced: readers further on
    would stop there, and such a line is bad anyway.
    """
    with open_lines(source) as (lines, raw), byte_progress(source.name, source.stat().st_size) as on_progress:
        for number, data in enumerate(lines):
            line = data.decode("utf-8", "replace").strip()
            if number % 100 == 0:
                on_progress(raw.tell())
            if not line:
                continue
            is_document = is_object(line)
            if not is_document:
                line = "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
            yield line, is_document


def is_object(line: str) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(parsed(line), dict)
    except ValueError:
        return False


@contextmanager
def open_lines(source: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The lines of a plain or gzipped file, and the file itself to tell how far it is read."""
    try:
        raw = source.open("rb")
    except OSError as error:
        raise CineFeastError(
            f"cannot read {source}: {error.strerror}", "cinefeast collect --from FILE.jsonl.gz"
        ) from None
    with raw:
        is_gzip = raw.read(2) == GZIP
        raw.seek(0)
        try:
            yield (gzip.GzipFile(fileobj=raw) if is_gzip else raw), raw  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CineFeastError(
                f"{source} is a damaged gzip file: {error}",
                "make or download it again, then cinefeast collect --from FILE",
            ) from None
