"""Made-up inputs for a property: some for the quick suite, the same every time, and many more for the slow one."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

QUICK_OR_SLOW = pytest.mark.parametrize("times", [1, pytest.param(40, marks=pytest.mark.slow)])
"""How many times the inputs of the quick suite a test tries."""


def try_all(
    what: str,
    inputs: SearchStrategy[Any],
    check: Callable[[Any], None],
    count: int,
    times: int,
    known: Sequence[Any] = (),
) -> int:
    """Check those that failed once and `count * times` others, shrink one that fails; print how many there were."""
    for given_input in known:
        check(given_input)
    tried = len(known)

    @settings(
        max_examples=count * times,
        deadline=None,
        derandomize=times == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(given_input=inputs)
    def run(given_input: Any) -> None:
        nonlocal tried
        tried += 1
        check(given_input)

    run()
    print(f"{what}: {tried:,} inputs tried")
    return tried
