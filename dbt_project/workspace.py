"""Where each file of a run lies: everything below one directory, `$CINEFEAST_WORKSPACE` (default ./workspace)."""

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from dbt_project.errors import CineFeastError

VARIABLE = "CINEFEAST_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """The paths of one run. Nothing is created by asking for a path."""

    root: Path

    @property
    def raw_movielens(self) -> Path:
        """Landed MovieLens tables (parquet, every column as text) and their manifest.json."""
        return self.root / "raw" / "movielens"

    @property
    def raw_tmdb(self) -> Path:
        """Landed TMDb documents, *.jsonl.gz, one document a line."""
        return self.root / "raw" / "tmdb"

    @property
    def embeddings(self) -> Path:
        """Vectors of the landed films' texts, movie_text.parquet."""
        return self.root / "raw" / "embeddings"

    @property
    def synthetic(self) -> Path:
        """What `cinefeast synth` makes, a directory for each preset."""
        return self.root / "synthetic"

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file: what Feast and the reports read."""
        return self.root / "warehouse" / "cinefeast.duckdb"

    @property
    def build(self) -> Path:
        """The DuckDB file that dbt writes."""
        return self.root / "warehouse" / "build" / "cinefeast.duckdb"

    @property
    def events(self) -> Path:
        """Events that came in through Feast, *.parquet below a folder for each view; the next dbt build reads them."""
        return self.root / "raw" / "events"

    @property
    def registry(self) -> Path:
        """The Feast registry."""
        return self.root / "feast" / "registry.db"

    @property
    def online(self) -> Path:
        """The embedded (SQLite) Feast online store."""
        return self.root / "feast" / "online.db"

    @property
    def logs(self) -> Path:
        """Logged features, a folder a feature service."""
        return self.root / "feast" / "logs"

    @property
    def datasets(self) -> Path:
        """Feast's saved datasets, a parquet file each."""
        return self.root / "feast" / "datasets"

    @property
    def artifacts(self) -> Path:
        """Trained models, a directory each."""
        return self.root / "artifacts"

    @property
    def runs(self) -> Path:
        """Curves and checkpoints of training, a directory each; `tensorboard --logdir` reads it."""
        return self.root / "runs"

    @property
    def samples(self) -> Path:
        """What rankers learn from, a directory a protocol, a shard after another."""
        return self.root / "samples"

    @property
    def searches(self) -> Path:
        """Studies of parameters, and what channels brought while the merge was tuned."""
        return self.root / "searches"

    @property
    def peers(self) -> Path:
        """The data as other libraries read it, and what they answered, a directory for each protocol."""
        return self.root / "peers"

    @property
    def reports(self) -> Path:
        """metrics.json, report.html and what else a run tells people."""
        return self.root / "reports"


def workspace() -> Workspace:
    """The workspace that the environment names; CineFeastError where dbt could not open a database in it."""
    root = Path(os.environ.get(VARIABLE) or "workspace").absolute()
    if "?" in str(root):
        raise CineFeastError(
            f"the workspace {root} has a ? in its path, which dbt-duckdb takes for the end of a database's name",
            f"export {VARIABLE}=DIR without one",
        )
    return Workspace(root)


def publish_directory(built: Path, target: Path) -> None:
    """Make `target` show the finished directory `built`, at once or not at all.

    `target` is a symbolic link that is swapped by one rename, because a directory cannot be replaced by
    another in one step. The directory it showed before is removed afterwards.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    version = target.parent / f".{target.name}-{uuid.uuid4().hex[:12]}"
    built.rename(version)
    previous = target.resolve() if target.is_symlink() else None
    link = target.parent / f".{target.name}-link-{uuid.uuid4().hex[:12]}"
    link.symlink_to(version.name)
    link.replace(target)
    if previous is not None and previous.parent == target.parent:
        shutil.rmtree(previous, ignore_errors=True)
