"""Room for the next build, on disk and in memory."""

import re
import shutil
from pathlib import Path

import psutil
from rich.filesize import decimal

from dbt_project.workspace import Workspace
from serving.config import export, text_of
from serving.doctor.checks import Check
from serving.doctor.landed import Landed
from serving.statistics.thresholds import BYTES_PER_RATING

LIMIT = "CINEFEAST_MEMORY_LIMIT"
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def size(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def build_size(space: Workspace, landed: Landed | None) -> int:
    """Bytes of the file that dbt builds: that of the last build, else by what is landed."""
    return size(space.build) or (BYTES_PER_RATING * (landed.ratings if landed else 0))


def disk(space: Workspace, landed: Landed | None) -> Check:
    """Wrong where the disk has less room than a build takes at its peak.

    That is the tables written anew beside the old ones, what DuckDB spills of the largest sort, and the copy
    that is published.
    """
    build = build_size(space, landed)
    need = build + build + (size(space.warehouse) or build)
    place = next(path for path in (space.root, *space.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"{decimal(free)} free at {place}, the next build needs about {decimal(need)}"
    if free < need:
        return Check("disk", "wrong", detail, f"du -sh {space.root}/* to see what can go")
    return Check("disk", "ok", detail)


def memory(space: Workspace, landed: Landed | None) -> Check:
    """Warn where dbt's memory limit lets it take more than there is, and the data are large enough to try."""
    text = text_of(LIMIT)
    limit = parsed(text)
    if limit is None:
        return Check("memory", "wrong", f"{LIMIT}={text} is not a size", export(LIMIT))
    available = available_memory()
    need = min(limit, 2 * build_size(space, landed))
    detail = f"{decimal(available)} available, the next build takes up to {decimal(need)}"
    if need > available:
        return Check(
            "memory", "warn", detail, f"export {LIMIT}={int(0.8 * available / 1e9) or 1}GB: dbt spills beyond it"
        )
    return Check("memory", "ok", detail)


def parsed(text: str) -> int | None:
    """DuckDB's spelling of a size as bytes, None where it is none."""
    found = re.fullmatch(r"([\d.]+)\s*([KMGT]I?B)", text.strip().upper())
    return int(float(found[1]) * UNITS[found[2]]) if found else None


def available_memory() -> int:
    """Bytes that can still be taken, within the container's limit where there is one."""
    available = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        return min(available, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return available
