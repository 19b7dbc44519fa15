"""One reader of whole numbers, ids above all: what macros/shared_rules.sql calls whole_number, for Python."""

from typing import Any

LARGEST = 2**63 - 1


def whole_number(value: Any) -> int | None:
    """A number, or a text that is written as the number itself is; None for anything else, and beyond 64 bits.

    So `3e2`, `0x12c`, `7.5`, `9001.0`, `1_000`, `007`, True and ` 1` are none.
    """
    text = str(value)
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and -LARGEST <= number <= LARGEST else None
