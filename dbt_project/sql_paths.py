"""Paths in SQL, whatever letters they have."""

from pathlib import Path


def path_literal(path: str | Path) -> str:
    """A path as a string of SQL that DuckDB's readers of files take for itself: not for a pattern, nor for its end.

    The sources of dbt do the same in Jinja: dbt_project/models/staging/*/_*__sources.yml.
    """
    letters = {"[": "[[]", "*": "[*]", "?": "[?]", "'": "''"}
    return "'" + "".join(letters.get(letter, letter) for letter in str(path)) + "'"
