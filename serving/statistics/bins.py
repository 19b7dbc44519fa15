"""From a feature's values in the training window and online to counts in common bins."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.statistics.thresholds import BINS, IDENTIFIER

Counts = tuple[np.ndarray, np.ndarray]


def counted(training: pa.Array, online: pa.Array) -> list[Counts]:
    """Counts (bins,) of the two samples, made by the training sample; nulls have a bin.

    A number: quantile bins, or a bin a value where it has few. A text: the most frequent values and the rest.
    A list of floats that always has one length: each element as a number, a pair of counts each. Any other list:
    its length. None at all for an identifier, and where the training window has nothing but nulls.
    """
    if training.null_count == len(training) or is_identifier(training):
        return []
    if pa.types.is_list(training.type):
        lengths = pc.unique(pc.list_value_length(training).drop_null())
        if pa.types.is_floating(training.type.value_type) and len(lengths) == 1:
            width = lengths[0].as_py()
            pairs = zip(elements(training, width), elements(online, width), strict=True)
            return [counts(numeric_codes(*pair)) for pair in pairs]
        return [counts(numeric_codes(floats(pc.list_value_length(training)), floats(pc.list_value_length(online))))]
    if pa.types.is_string(training.type):
        return [counts(text_codes(training, online))]
    if pa.types.is_timestamp(training.type):
        training, online = training.cast(pa.int64()), online.cast(pa.int64())
    return [counts(numeric_codes(floats(training), floats(online)))]


def is_identifier(column: pa.Array) -> bool:
    """An integer or a text that is nearly always another: it names the row, and has no distribution to drift."""
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        return False
    return pc.count_distinct(column).as_py() >= IDENTIFIER * (len(column) - column.null_count) > BINS


def floats(column: pa.Array) -> np.ndarray:
    """A column of numbers or booleans as float64, nulls as NaN."""
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def elements(column: pa.Array, width: int) -> np.ndarray:
    """A column of lists as (width, rows) float64; NaN where a list is null or shorter."""
    matrix = np.full((len(column), width), np.nan)
    for row, values in enumerate(column.to_pylist()):
        if values is not None:
            matrix[row, : len(values)] = values[:width]
    return matrix.T


def numeric_codes(training: np.ndarray, online: np.ndarray) -> Counts:
    """The bin of each number: 0 for NaN, then intervals (low, high] between the training sample's quantiles."""
    known = training[~np.isnan(training)]
    values = np.unique(known)
    if len(values) <= BINS:  # a bin each, and one for what training never saw
        edges = [np.searchsorted(values, column) for column in (training, online)]
        seen = [np.isin(column, values) for column in (training, online)]
        codes = [np.where(is_in, edge, len(values)) for edge, is_in in zip(edges, seen, strict=True)]
    else:
        cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        codes = [np.searchsorted(cuts, column) for column in (training, online)]
    pairs = zip(codes, (training, online), strict=True)
    first, second = (np.where(np.isnan(column), 0, code + 1) for code, column in pairs)
    return first, second


def text_codes(training: pa.Array, online: pa.Array) -> Counts:
    """The bin of each text: 0 for null, then the most frequent ones of the training sample, the last for others."""
    frequent = sorted(pc.value_counts(training.drop_null()).to_pylist(), key=lambda v: (-v["counts"], v["values"]))
    known = pa.array([value["values"] for value in frequent[: BINS - 1]], training.type)
    first, second = (
        np.where(
            pc.is_null(column).to_numpy(zero_copy_only=False),
            0,
            pc.fill_null(pc.index_in(column, known), len(known)).to_numpy(zero_copy_only=False) + 1,
        )
        for column in (training, online)
    )
    return first, second


def counts(codes: Counts) -> Counts:
    """How often each bin occurs, bins that occur in neither left out."""
    width = int(max(code.max(initial=0) for code in codes)) + 1
    first, second = (np.bincount(code, minlength=width) for code in codes)
    used = (first + second) > 0
    return first[used], second[used]
