"""The speed of training beside another library's: what is asked of it, and a command that fails."""

import sys

import numpy as np
import pytest

from dbt_project.errors import CineFeastError
from models.bench.training import made_up, other_examples_per_second


def test_the_other_librarys_figure_is_its_last_line() -> None:
    says = "print('epoch 1'); print('{\"examples_per_s\": 12.5}')"
    assert other_examples_per_second(f'{sys.executable} -c "{says.replace(chr(34), chr(92) + chr(34))}"') == 12.5


@pytest.mark.parametrize("command", ["false", f"{sys.executable} -c 'raise SystemExit(\"no such peer\")'"])
def test_a_command_without_a_figure_is_told(command: str) -> None:
    with pytest.raises(CineFeastError, match="told no examples_per_s"):
        other_examples_per_second(command)


def test_made_up_histories_are_full_and_in_order() -> None:
    flat = made_up(3, 5)
    assert np.diff(flat.offsets).tolist() == [5, 5, 5]
    assert flat.before.tolist() == [-1, 0, 1, 2, 3, -1, 5, 6, 7, 8, -1, 10, 11, 12, 13]
