"""Arrow columns as the bytes that Feast stores, whole columns at once.

Feast makes a protobuf message of each value, which is most of the time of `feast materialize`. A `Value` has one field:
a tag, then a varint, four or eight bytes, or a length and as many bytes (https://protobuf.dev/programming-guides/
encoding). Numbers are worked out a column at a time; what is of another kind goes Feast's own way.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, Field, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Protobuf's wire types."""
KINDS = {
    "int64": (VARINT, pa.int64()),
    "float": (FIXED32, pa.float32()),
    "double": (FIXED64, pa.float64()),
    "string": (DELIMITED, pa.string()),
}
INT64 = 8
"""Bytes of a whole number in an entity key."""
SECONDS, NANOS = b"\x08", b"\x10"
"""The tags of a Timestamp's two fields."""
ITEMS = b"\x0a"
"""The tag of a list's one field: packed numbers, or a string each."""


@dataclass(frozen=True)
class EncodedRows:
    """Rows of a view as an online store keeps them, by column: entity keys, stamps, features, each (n,)."""

    keys: list[bytes]
    stamps: list[bytes]
    values: dict[str, list[bytes]]


def encoded_rows(config: RepoConfig, view: FeatureView, batch: pa.RecordBatch) -> EncodedRows:
    """The rows of a view whose one key is a whole number. A moment without a time zone is in UTC, as in Feast."""
    (key,) = view.entity_columns
    zero = EntityKey(join_keys=[key.name], entity_values=[Value(int64_val=0)])
    before = serialize_entity_key(zero, config.entity_key_serialization_version).removesuffix(bytes(INT64))
    ids = batch[key.name].to_numpy().astype("<i8").tobytes()
    return EncodedRows(
        [before + ids[at : at + INT64] for at in range(0, len(ids), INT64)],
        stamps(batch[view.batch_source.timestamp_field].cast(pa.timestamp("us", "UTC"), safe=False)),
        {feature.name: encoded(batch[feature.name], feature) for feature in view.features},
    )


def stamps(moments: pa.Array) -> list[bytes]:
    """Moments (n,) in microseconds as protobuf's Timestamps: seconds, nanoseconds, each left out where it is 0."""
    seconds, rest = np.divmod(moments.cast(pa.int64()).to_numpy(), 1_000_000)
    parts = [
        [before + data[start:end] if data[start:end] != b"\0" else b"" for start, end in pairwise(starts.tolist())]
        for before, (data, starts) in ((SECONDS, varints(seconds)), (NANOS, varints(rest * 1_000)))
    ]
    return [whole + part for whole, part in zip(*parts, strict=True)]


def encoded(column: pa.Array, feature: Field) -> list[bytes]:
    """A feature's values (n,) as Feast's serialized Values, empty where there is none.

    A number that is none (NaN) is no value, as in Feast.
    """
    value_type, plain = feature.dtype.to_value_type(), plain_kind(column, feature)
    if not plain:
        values = python_values_to_proto_values(column.to_numpy(zero_copy_only=False), value_type)
        return [value.SerializeToString() for value in values]
    missing = column.is_null(nan_is_null=pa.types.is_floating(column.type))
    there = column.filter(pc.invert(missing))
    made = iter(_lists(plain, there) if pa.types.is_list(column.type) else _scalars(plain, there))
    return [b"" if none else next(made) for none in missing.to_pylist()]


def plain_kind(column: pa.Array, feature: Field) -> str:
    """Which of KINDS a column or its lists hold, "" where Feast is asked for its values."""
    name, is_list = feature.dtype.to_value_type().name.lower(), pa.types.is_list(column.type)
    if is_list != name.endswith("_list") or (is_list and column.flatten().null_count):
        return ""
    kind = name.removesuffix("_list")
    inner = column.type.value_type if is_list else column.type
    return kind if kind in KINDS and KINDS[kind][1] == inner else ""


def varints(numbers: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Whole numbers (n,) of 64 bits one after the other, seven bits a byte, the lowest first, and where each begins
    (n + 1,)."""
    left = numbers.astype(np.int64).view(np.uint64)
    sizes = np.ones(len(left), np.int64)
    for bits in range(7, 64, 7):
        is_longer = left >> np.uint64(bits) > 0
        if not is_longer.any():
            break
        sizes += is_longer
    starts = np.concatenate([[0], np.cumsum(sizes)])
    made, at, place = np.zeros(starts[-1], np.uint8), np.arange(len(left)), 0
    while len(at):
        has_more = sizes[at] > place + 1
        made[starts[at] + place] = left[at] >> np.uint64(7 * place) & np.uint64(127) | has_more * np.uint64(128)
        at, place = at[has_more], place + 1
    return made.tobytes(), starts


def _scalars(kind: str, values: pa.Array) -> list[bytes]:
    before = _tag(f"{kind}_val", KINDS[kind][0])
    if kind == "string":
        return [before + text for text in _texts(values)]
    data, starts = _numbers(kind, values)
    return [before + data[start:end] for start, end in pairwise(starts.tolist())]


def _lists(kind: str, values: pa.Array) -> list[bytes]:
    """A list is a message in the Value, which is empty where the list is."""
    before, firsts = _tag(f"{kind}_list_val", DELIMITED), np.cumsum([0, *values.value_lengths().to_pylist()])
    if kind == "string":
        texts = [ITEMS + text for text in _texts(values.flatten())]
        return [before + _sized(b"".join(texts[first:end])) for first, end in pairwise(firsts.tolist())]
    data, starts = _numbers(kind, values.flatten())
    packed = [data[start:end] for start, end in pairwise(starts[firsts].tolist())]
    return [before + _sized(ITEMS + _sized(items) if items else b"") for items in packed]


def _numbers(kind: str, values: pa.Array) -> tuple[bytes, np.ndarray]:
    """Numbers (n,) one after the other, and where each begins (n + 1,)."""
    numbers = values.to_numpy(zero_copy_only=False)
    if kind == "int64":
        return varints(numbers)
    return numbers.tobytes(), np.arange(len(numbers) + 1) * numbers.itemsize


def _texts(values: pa.Array) -> list[bytes]:
    """Each string behind its length."""
    return [_sized(text) for text in values.cast(pa.binary()).to_pylist()]


def _sized(content: bytes) -> bytes:
    """The content behind its length."""
    return _varint(len(content)) + content


def _tag(field: str, wire: int) -> bytes:
    """What a field of Value begins with."""
    return _varint(Value.DESCRIPTOR.fields_by_name[field].number << 3 | wire)


@lru_cache(65_536)
def _varint(number: int) -> bytes:
    """A length or a tag."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
