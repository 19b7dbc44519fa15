"""JSON as the warehouse takes it."""

import json
from typing import Any


def parsed(text: str, **options: Any) -> Any:
    """What a JSON text says; ValueError where DuckDB would take it for none.

    Python's parser takes half of a surrogate pair, which is no character and cannot be written anywhere.
    """
    try:
        told = json.loads(text, **options)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if "\\ud" in text.lower():
        json.dumps(told, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return told
