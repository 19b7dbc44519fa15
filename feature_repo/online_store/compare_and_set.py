"""Writes rows into Redis unless newer ones are there: compared and set in Redis itself, so nothing comes between."""

from collections.abc import Iterable, Iterator
from itertools import islice

SET_UNLESS_OLDER = """
local function decoded(stamp)
  local numbers, at = {0, 0}, 1
  while at <= #stamp do
    local field, number, complement, weight, byte = math.floor(stamp:byte(at) / 8), 0, 0, 1
    repeat
      at = at + 1
      byte = stamp:byte(at)
      if weight == 2 ^ 63 then
        number = -1 - complement
      else
        number, complement = number + byte % 128 * weight, complement + (127 - byte % 128) * weight
      end
      weight = weight * 128
    until byte < 128
    numbers[field], at = number, at + 1
  end
  return numbers
end
local seconds_to_live, at, written = ARGV[1], 2, 0
for i = 1, #KEYS do
  local first, last = at + 1, at + ARGV[at]
  local stored, is_older = redis.call('HGET', KEYS[i], ARGV[first]), false
  if stored and stored ~= ARGV[first + 1] then
    local old, new = decoded(stored), decoded(ARGV[first + 1])
    is_older = new[1] < old[1] or (new[1] == old[1] and new[2] < old[2])
  end
  if not is_older then
    redis.call('HSET', KEYS[i], unpack(ARGV, first, last))
    if seconds_to_live ~= '0' then redis.call('EXPIRE', KEYS[i], seconds_to_live) end
    written = written + 1
  end
  at = last + 1
end
return written
"""
"""Stamps are Feast's: protobuf Timestamps, seconds and nanoseconds as varints, each left out where it is 0; of a
negative number the last of ten bytes is the sign's. Lua has doubles alone, which hold no 64 bits, so a negative number
is read by its complement.

It is sent with each command: redis-py's pipelines of a cluster take neither EVALSHA nor their own `eval`."""

Fields = tuple[bytes | str, ...]
"""The fields of a key's hash, each with its value behind it; the stamp comes first."""
TOGETHER = 100
"""Rows a command: more gain nothing, and Redis answers nobody else meanwhile."""


def commands(rows: Iterable[tuple[bytes, Fields]], seconds_to_live: int, together: int) -> Iterator[tuple[object, ...]]:
    """The commands that write rows of key and fields, `together` at once; a cluster takes keys of one place alone."""
    left = iter(rows)
    while some := list(islice(left, together)):
        arguments: list[object] = [seconds_to_live]
        for _, fields in some:
            arguments.append(len(fields))
            arguments += fields
        yield ("EVAL", SET_UNLESS_OLDER, len(some), *(key for key, _ in some), *arguments)
