"""How long what was served is kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbt_project.events.read import named_moment


def remove_old_logs(logs: Path, days: int) -> int:
    """Remove files of logged features that were written longer ago; how many were."""
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    old = [file for file in logs.glob("*/*.parquet") if written_at(file) < before]
    for file in old:
        file.unlink(missing_ok=True)  # another worker does the same
    return len(old)


def written_at(file: Path) -> datetime:
    """When a file was written, as naive UTC: by its name, which a copy keeps, else by its date."""
    return named_moment(file) or datetime.fromtimestamp(file.stat().st_mtime, UTC).replace(tzinfo=None)


def newest_log(logs: Path) -> datetime | None:
    """When features were logged last, as an aware moment; None where none are."""
    return max((written_at(file).replace(tzinfo=UTC) for file in logs.glob("*/*.parquet")), default=None)
