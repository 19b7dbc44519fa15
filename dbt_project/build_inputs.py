"""What a warehouse was built from: whether the next build may append to it, or has to start anew."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace

PROJECT = Path(__file__).resolve().parent
CODE = ("models", "macros", "functions", "seeds")
EVENTS = "user_movie_rating"
FEEDBACK = "user_feedback"
FILMS = "movie_update"
SCHEMAS = {
    EVENTS: pa.schema(
        {"user_id": pa.int64(), "movie_id": pa.int64(), "rating": pa.float32(), "rated_at": pa.timestamp("us")}
    ),
    FEEDBACK: pa.schema(
        {
            "event_id": pa.string(),
            "user_id": pa.int64(),
            "movie_id": pa.int64(),
            "kind": pa.string(),
            "occurred_at": pa.timestamp("us"),
        }
    ),
    FILMS: pa.schema(
        {
            "movie_id": pa.int64(),
            "title": pa.string(),
            "release_year": pa.int64(),
            "genre_names": pa.list_(pa.string()),
            "original_language": pa.string(),
            "director_name": pa.string(),
            "certification": pa.string(),
            "is_retired": pa.bool_(),
        }
    ),
}
"""The folders below raw/events that dbt reads, and the columns of their files."""
FIRST = "00000000T000000.000000-00000000.parquet"


@dataclass(frozen=True)
class BuildInputs:
    """`fixed`: a hash of the archive's tables, TMDb's documents, texts' vectors, changed films and this project's SQL.

    `events`: landed files.
    """

    fixed: str
    events: tuple[str, ...]

    @classmethod
    def of(cls, space: Workspace) -> Self:
        """The inputs as they lie in the workspace now."""
        digest = hashlib.sha256((space.raw_movielens / "manifest.json").read_bytes())
        folders = {
            space.raw_movielens: "*.parquet",
            space.raw_tmdb: "*.jsonl.gz",
            space.embeddings: "*.parquet",
            space.events / FILMS: "*.parquet",
        }
        for file in sorted(file for folder, pattern in folders.items() for file in folder.glob(pattern)):
            status = file.stat()
            digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
        code = [PROJECT / "dbt_project.yml", *(path for part in CODE for path in (PROJECT / part).rglob("*.*"))]
        for file in sorted(code):
            digest.update(file.read_bytes())
        return cls(digest.hexdigest(), tuple(sorted(file.name for file in event_files(space))))

    @classmethod
    def from_manifest(cls, space: Workspace) -> Self | None:
        """The inputs of the published warehouse; None where they are not known."""
        try:
            found = json.loads(note_file(space).read_text())
            return cls(found["fixed"], tuple(found["events"]))
        except (OSError, ValueError, KeyError):
            return None

    def note(self, space: Workspace) -> None:
        """Remember these as the published warehouse's."""
        aside = note_file(space).with_suffix(".part")
        aside.write_text(json.dumps(asdict(self), indent=2) + "\n")
        aside.replace(note_file(space))

    def up_to(self, last_event_file: str) -> Self:
        """Without the files that were landed after `last_event_file`."""
        return replace(self, events=tuple(name for name in self.events if name <= last_event_file))

    def only_append_to(self, earlier: Self | None) -> bool:
        """Whether these are the earlier ones and, after them, more landed files."""
        return (
            earlier is not None and self.fixed == earlier.fixed and self.events[: len(earlier.events)] == earlier.events
        )


def note_file(space: Workspace) -> Path:
    """Where the inputs of the published warehouse are noted."""
    return space.warehouse.with_suffix(".inputs.json")


def event_files(space: Workspace) -> list[Path]:
    """The landed files of pushed ratings."""
    return list((space.events / EVENTS).glob("*.parquet"))


def first_event_files(space: Workspace) -> None:
    """Land a file without rows where none was landed yet: DuckDB reads no empty folder."""
    for name, schema in SCHEMAS.items():
        file = space.events / name / FIRST
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            aside = file.with_suffix(".part")
            pq.write_table(schema.empty_table(), aside)
            aside.replace(file)


def check_landed_events(space: Workspace) -> None:
    """CineFeastError naming the first landed file that is no whole parquet file or lacks a column."""
    for name, schema in SCHEMAS.items():
        for file in sorted((space.events / name).glob("*.parquet")):
            aside = f"mv {file} {file}.bad, then dbt build; nothing else is lost"
            try:
                names = set(pq.read_schema(file).names)
            except (pa.ArrowInvalid, OSError) as error:
                raise CineFeastError(f"{file} is not a whole parquet file: {error}", aside) from None
            if lacking := sorted(set(schema.names) - names):
                raise CineFeastError(f"{file} has no column {', '.join(lacking)}", aside)
