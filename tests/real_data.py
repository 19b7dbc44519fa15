"""Where real data lies: `$CINEFEAST_REAL_DATA`, by default ../shared/data beside the repository."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DIRECTORY = Path(os.environ.get("CINEFEAST_REAL_DATA") or REPOSITORY.parent / "shared" / "data")


def real_file(name: str) -> Path:
    """The file `name` of the real data; skips the test where it is not there."""
    path = DIRECTORY / name
    if not path.is_file():
        pytest.skip(f"no real data at {path} (set CINEFEAST_REAL_DATA)")
    return path
