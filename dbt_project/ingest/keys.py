"""Keys of APIs, from the environment."""

import os

from dbt_project.errors import CineFeastError


def api_key(variable: str) -> str | None:
    """The key or token in an environment variable; None where it is not set, or empty.

    CineFeastError where it holds what no HTTP header may. The key itself is never shown.
    """
    key = os.environ.get(variable, "").strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise CineFeastError(
            f"{variable} holds a space, a line break or a letter that no key has",
            f"export {variable}=... (the key alone)",
        )
    return key or None
