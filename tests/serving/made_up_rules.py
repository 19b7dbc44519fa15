"""Rule files as nobody would write them: most are TOML, many say something that rules can say."""

import math
from typing import Any

from hypothesis import strategies as st

EXAMPLE = b"""salt = "2026-01"
[everywhere]
hide = [{ genres = ["Horror"], year_to = 1970 }]
pins = [{ movie_id = 1, place = 1 }]
boosts = [{ languages = ["fr"], add = 0.2, device = "tv" }]
caps = { genre = 4 }
diversity = 0.2
[variants.control]
traffic_weight = 9
[variants.bold]
traffic_weight = 1
settings = { exploration = 0.2, candidates = 300 }
"""
NUMBERS = st.one_of(
    st.integers(-2, 20), st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]),
    st.sampled_from([0.5, -1.0, 1e308, math.inf, -math.inf, math.nan]), st.floats(-1, 1),
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(["Drama", "drama", "Nothing", "fr", "", "tv", "item_cf", "control"]), st.text(max_size=4)
)
ANYTHING = st.recursive(
    st.one_of(NUMBERS, TEXTS, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "movie_ids": st.lists(NUMBERS, max_size=2), "genres": st.lists(TEXTS, max_size=2),
        "directors": st.lists(TEXTS, max_size=2), "languages": st.lists(TEXTS, max_size=2),
        "certifications": st.lists(TEXTS, max_size=2), "year_from": NUMBERS, "year_to": NUMBERS,
    },
)  # fmt: skip
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "candidates": NUMBERS,
        "ranked": st.booleans(),
        "disabled_channels": st.lists(TEXTS, max_size=2),
        "hide": st.one_of(st.lists(FILTERS, max_size=2), ANYTHING),
        "pins": st.lists(st.fixed_dictionaries({"movie_id": NUMBERS, "place": NUMBERS}), max_size=2),
        "boosts": st.lists(st.tuples(FILTERS, NUMBERS).map(lambda pair: {**pair[0], "add": pair[1]}), max_size=2),
        "caps": st.dictionaries(st.sampled_from(["genre", "director", "collection"]), NUMBERS, max_size=3),
        "diversity": NUMBERS,
        "exploration": NUMBERS,
        "clicked": NUMBERS,
    },
)
VARIANTS = st.dictionaries(
    TEXTS.filter(bool),
    st.fixed_dictionaries({"traffic_weight": NUMBERS}, optional={"settings": st.one_of(SETTINGS, ANYTHING)}),
    min_size=1,
    max_size=2,
)
FILES = st.fixed_dictionaries(
    {}, optional={"salt": st.one_of(TEXTS, ANYTHING), "everywhere": st.one_of(SETTINGS, ANYTHING), "variants": VARIANTS}
)


def toml(value: Any) -> str:
    """A value as TOML has it, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(name)} = {toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08X}" for letter in value) + '"'
    return str(value).lower()


def changed(changes: list[tuple[int, int]]) -> bytes:
    """The example with some bytes changed."""
    content = bytearray(EXAMPLE)
    for at, value in changes:
        content[at] = value
    return bytes(content)


CHANGES = st.lists(st.tuples(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=3)
RULE_FILES = st.one_of(
    FILES.map(lambda file: "\n".join(f"{name} = {toml(part)}" for name, part in file.items()).encode()),
    FILES.map(lambda file: "\n".join(f"{name} = {toml(part)}" for name, part in file.items()).encode()),
    CHANGES.map(changed),
    st.binary(max_size=20),
    st.integers(1, 4000).map(lambda depth: b"salt = " + b"[" * depth),
)
KNOWN = [
    b"[variants.a]\ntraffic_weight = 1\nsettings = { hide = 5 }",
    b"salt = " + b"[" * 2000,
    b"[everywhere]\npins = [{ movie_id = 1000000000000000000000, place = 1 }]",
    b"[variants.a]\ntraffic_weight = inf",
]
"""Those that failed once."""
