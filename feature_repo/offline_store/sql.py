"""SQL text for DuckDB, with every name and every value quoted."""

from collections.abc import Iterable


def quoted(name: str) -> str:
    """`name` as an SQL identifier: ab"c becomes "ab""c"."""
    return '"' + name.replace('"', '""') + '"'


def quoted_table(name: str) -> str:
    """`schema.table` as an SQL identifier, each part quoted."""
    return ".".join(quoted(part) for part in name.split("."))


def columns(names: Iterable[str], table: str = "") -> str:
    """The names, quoted and separated by commas, each from `table` if one is given."""
    return ", ".join(f"{table}.{quoted(name)}" if table else quoted(name) for name in names)


def literal(text: str) -> str:
    """`text` as an SQL string: it's becomes 'it''s'."""
    return "'" + text.replace("'", "''") + "'"
