"""dbt's macros as Python functions, for SQL that runs before a build: a rule is written once, in the macro."""

from functools import cache
from pathlib import Path

from jinja2 import Environment
from jinja2.environment import TemplateModule

MACROS = Path(__file__).resolve().parent / "macros"


def shared_rule(name: str, *arguments: str) -> str:
    """The SQL that the macro `name` of macros/shared_rules.sql makes of SQL expressions."""
    return str(getattr(_shared_rules(), name)(*arguments))


@cache
def _shared_rules() -> TemplateModule:
    return Environment().from_string((MACROS / "shared_rules.sql").read_text()).module
