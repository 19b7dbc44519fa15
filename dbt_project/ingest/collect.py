"""`cinefeast collect --from FILE`: a file of TMDb documents, one a line, into raw/tmdb.

The documents are what `GET /3/movie/{id}?append_to_response=credits,keywords` returns
(https://developer.themoviedb.org/reference/movie-details). Nothing is converted here: dbt reads the landed
lines and rejects the bad ones with a reason.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from dbt_project.errors import CineFeastError
from dbt_project.ingest.json_lines import parsed
from dbt_project.ingest.landing import raw_directory
from dbt_project.ingest.lines import BYTE_ORDER_MARK
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
    """Land `source` (.jsonl or .jsonl.gz) as raw/tmdb/from-<moment>-<stem>.jsonl.gz, in place of an earlier <stem>.

    Of two documents of a film the one that was landed later counts, whatever the files are called. A line that is no
    JSON object is kept and counted. A file that cannot be read to its end, that holds no document at all, or documents
    in another encoding than UTF-8, is a CineFeastError and leaves what was landed before.
    """
    stem = source.name.removesuffix(".gz").removesuffix(".jsonl")
    target = space.raw_tmdb / f"from-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{stem}.jsonl.gz"
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
            for earlier in landings_of(stem, space):
                if earlier != target:
                    earlier.unlink()
        finally:
            part.unlink(missing_ok=True)
    return LandedDocuments(target, documents, bad)


def landings_of(stem: str, space: Workspace) -> list[Path]:
    """The landed files that came from a file of this name, of earlier versions too, which gave them no moment."""
    whole = re.compile(rf"(from-\d{{8}}T\d{{6}}\.\d{{6}}-)?{re.escape(stem)}\.jsonl\.gz")
    return [file for file in space.raw_tmdb.glob("*.jsonl.gz") if whole.fullmatch(file.name)]


def read_documents(source: Path) -> Iterator[tuple[str, bool]]:
    """The lines of `source` that are not blank, and whether each is a JSON object.

    What no text file may hold (bytes that are not UTF-8, control characters) is replaced in a line that is bad anyway:
    readers further on would stop there. CineFeastError for a document that is not UTF-8: what it says is not known.
    """
    with open_lines(source) as (lines, raw), byte_progress(source.name, source.stat().st_size) as on_progress:
        for number, data in enumerate(lines):
            data = data.removeprefix(BYTE_ORDER_MARK) if number == 0 else data
            line = data.decode("utf-8", "replace").strip()
            if number % 100 == 0:
                on_progress(raw.tell())
            if not line:
                continue
            is_document = is_object(line)
            if is_document and not is_utf8(data):
                raise CineFeastError(
                    f"{source} line {number + 1} is not UTF-8 text", f"save {source.name} as UTF-8, as TMDb sends it"
                )
            if not is_document:
                line = "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
            yield line, is_document


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


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
