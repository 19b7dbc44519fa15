"""Landed lines of JSON, as the warehouse takes them."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError


def landed_lines(file: Path) -> Iterator[str]:
    """The lines of a landed file (.jsonl.gz); CineFeastError where it is damaged."""
    try:
        with gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
            yield from lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CineFeastError(f"{file} is a damaged gzip file: {error}", f"mv {file} {file}.bad") from None


def parsed(text: str, **options: Any) -> Any:
    """What a JSON text says; ValueError where DuckDB would take it for none.

    Python's parser takes half of a surrogate pair, which is no character and cannot be written anywhere.
    """
    try:
        payload = json.loads(text, **options)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if "\\ud" in text.lower():
        json.dumps(payload, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return payload
