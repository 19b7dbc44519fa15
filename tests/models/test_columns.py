"""Arrow columns to numpy, nulls included, and feature encoders."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from models import columns
from models.encoders import Categories, Statistics
from models.ids import Ids


def test_numbers_and_ids_with_nulls() -> None:
    table = pa.table({"x": [1, None, 3], "none": pa.nulls(3), "id": pa.array([5.0, None, 7.0])})
    assert np.array_equal(columns.numbers(table, "x"), np.array([1, np.nan, 3], np.float32), equal_nan=True)
    assert np.isnan(columns.numbers(table, "none")).all()
    assert columns.integers(table, "id").tolist() == [5, -1, 7]
    assert columns.integers(table, "none").tolist() == [-1, -1, -1]


def test_ids_that_share_a_float_stay_apart() -> None:
    ids = [2**60 + 1, 2**60 + 2, None, 2**63 - 1]
    table = pa.table({"id": ids, "whole": pa.array([*ids[:2], 0, 7]), "list": [ids[:2], ids[3:], None, []]})
    assert columns.integers(table, "id").tolist() == [2**60 + 1, 2**60 + 2, -1, 2**63 - 1]
    assert columns.integers(table, "whole").tolist() == [2**60 + 1, 2**60 + 2, 0, 7]
    films = Ids(columns.integers(table, "id"))
    assert columns.window(table, "list", films, 2).tolist() == [[0, 1], [-1, 3], [-1, -1], [-1, -1]]


def test_timestamps_naive_or_with_a_zone() -> None:
    moment = datetime(2020, 1, 1, 0, 0, 1)
    table = pa.table({
        "event_timestamp": pa.array([moment], pa.timestamp("s")),
        "zoned": pa.array([moment.replace(tzinfo=UTC)], pa.timestamp("ns", "UTC")),
    })  # fmt: skip
    assert columns.microseconds(table).tolist() == columns.microseconds(table, "zoned").tolist()
    assert columns.microseconds(table).tolist() == [1_577_836_801_000_000]


def test_lists_keep_their_last_elements() -> None:
    table = pa.table({"films": [[1, 2, 3], None, [], [4]], "none": pa.nulls(4)})
    assert [films.tolist() for films in columns.arrays(table, "films")] == [[1, 2, 3], [], [], [4]]
    assert columns.padded(*columns.ragged(table, "films"), 2, -1).tolist() == [[2, 3], [-1, -1], [-1, -1], [-1, 4]]
    films = Ids(np.array([4, 3, 2]))
    assert columns.window(table, "films", films, 3).tolist() == [[-1, 2, 1], [-1] * 3, [-1] * 3, [-1, -1, 0]]
    assert columns.window(table, "none", films, 2).tolist() == [[-1, -1]] * 4
    assert columns.arrays(table.slice(3, 1), "films")[0].tolist() == [4]
    assert columns.padded(*columns.ragged(table.slice(0, 0), "films"), 2, -1).shape == (0, 2)


def test_genres() -> None:
    table = pa.table({"genres": [[0, 2], None, [9]], "share": pa.array([[0.5, 0.5], None, [float("nan"), 1.0]])})
    assert columns.multi_hot(table, "genres", 3).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert columns.shares(table, "share", 2).tolist() == [[0.5, 0.5], [0, 0], [0, 1]]


def test_ids() -> None:
    films = Ids(np.array([30, 10, 20]))
    assert films.rows(np.array([10, 20, 99, -1])).tolist() == [1, 2, -1, -1]
    assert films.at(np.array([0, -1])).tolist() == [30, -1]
    assert Ids(np.empty(0)).rows(np.array([1])).tolist() == [-1]


def test_statistics_are_standardised_and_free_of_nulls() -> None:
    table = pa.table({"count": [0, None, 7], "mean": [1.0, None, 3.0], "empty": pa.nulls(3)})
    encode = Statistics(["count"], ["mean", "empty"])
    encode.fit(table)
    rows = encode(table)
    assert np.isfinite(rows).all()
    assert rows[0, 0] == rows[1, 0]  # no count yet is a count of none
    assert rows[:, 1].tolist() == [-1, 0, 1]  # an unknown number is put at the mean
    again = Statistics(["count"], ["mean", "empty"])
    again.restore("x", encode.tensors("x"))
    assert np.array_equal(again(table), rows)


def test_categories_unseen_or_null_are_zeros() -> None:
    encode = Categories(["job"])
    encode.fit(pa.table({"job": ["writer", "artist", None]}))
    assert encode(pa.table({"job": ["artist", "clown", None]})).tolist() == [[1, 0], [0, 0], [0, 0]]
