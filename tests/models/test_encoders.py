"""Numbers for a network, out of columns that training knew little of."""

import numpy as np
import pyarrow as pa

from models.encoders import Statistics


def test_known_columns_are_standardised_and_nulls_are_the_mean() -> None:
    table = pa.table({"a": pa.array([1.0, 3.0, None])})
    statistics = Statistics([], ["a"])
    statistics.fit(table)
    assert statistics(table).tolist() == [[-1.0], [1.0], [0.0]]


def test_a_column_that_told_nothing_in_training_tells_nothing_later() -> None:
    """All null, or always the same: whatever comes afterwards meets weights that nothing has trained."""
    statistics = Statistics([], ["never", "same", "known"])
    training = {"never": pa.array([None, None], pa.float32()), "same": [4.0, 4.0], "known": [0.0, 2.0]}
    statistics.fit(pa.table(training))
    later = statistics(pa.table({"never": [3.5, None], "same": [1.0, 4.0], "known": [2.0, 0.0]}))
    assert np.array_equal(later, [[0, 0, 1], [0, 0, -1]])
