"""Windows of rating histories, against the plain reading of "strictly before that second"."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.ids import Ids
from models.recall.nn import histories

FILMS = Ids(np.arange(100, 150))
CPU = torch.device("cpu")


def made_up(users: int, seed: int) -> pa.Table:
    """Histories with many ratings a second, some empty, some of films unknown here."""
    rng = np.random.default_rng(seed)
    sizes = [0, 1, *rng.integers(2, 60, users - 2)]
    return pa.table({
        "user_seen_movie_ids": [rng.integers(95, 150, n).tolist() for n in sizes],
        "user_seen_ratings": [(rng.integers(1, 11, n) / 2).tolist() for n in sizes],
        "user_seen_timestamps": [np.sort(rng.integers(0, max(n // 2, 1), n)).tolist() for n in sizes],
        "event_timestamp": pa.array([10_000_000_000] * len(sizes), pa.timestamp("us")),
    })  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return made_up(12, 1)


@pytest.fixture(scope="module")
def flat(table: pa.Table) -> histories.Flat:
    return histories.flatten(table, FILMS)


def test_flat_histories_tell_what_came_before_and_when_is_asked_next(table: pa.Table, flat: histories.Flat) -> None:
    expected = []
    for row in table.to_pylist():
        events = zip(row["user_seen_movie_ids"], row["user_seen_ratings"], row["user_seen_timestamps"], strict=True)
        known = [(film, rating, moment) for film, rating, moment in events if film >= 100]
        first = len(expected)
        for film, rating, moment in known:
            earlier = [i for i, (_, _, t) in enumerate(known) if t < moment]
            later = [t for _, _, t in known if t > moment]
            requested = min(later) if later else 10_000
            expected.append((film - 99, 2 * rating, moment, requested, first + earlier[-1] if earlier else -1))
    got = zip(flat.films, flat.ratings, flat.times, flat.requested, flat.before, strict=True)
    assert [tuple(map(float, line)) for line in got] == [tuple(map(float, line)) for line in expected]


def test_each_event_with_a_past_is_predicted_from_the_last_one_before_its_second(flat: histories.Flat) -> None:
    """Whatever the cuts, and only once unless windows overlap; the position is never of the same second."""
    cut = np.concatenate(histories.batches(flat, 16, 64, np.random.default_rng(0)))
    window, place, film = (column.numpy() for column in histories.targets(flat, cut, CPU))
    asked_from = cut[window, 0] + place
    predicted = set()
    for start, source, target in zip(cut[window, 0], asked_from, film, strict=True):
        same = np.flatnonzero((flat.before == source) & (flat.films == target))
        assert len(same)
        assert start <= source
        assert (flat.times[same] > flat.times[source]).all()
        predicted |= set(same.tolist())
    able = set(np.flatnonzero(flat.before >= 0).tolist())
    assert predicted <= able
    assert len(able - predicted) < 0.05 * len(able)  # a second as wide as a window has nothing before it there


def test_windows_are_short_enough_and_cover_all(flat: histories.Flat) -> None:
    for seed in range(5):
        cut = histories.windows(flat, 16, np.random.default_rng(seed))
        assert (cut[:, 1] - cut[:, 0]).max() <= 16
        user = np.searchsorted(flat.offsets, cut[:, 0], side="right")
        assert np.array_equal(user, np.searchsorted(flat.offsets, cut[:, 1] - 1, side="right"))
        covered = {event for start, end in cut.tolist() for event in range(start, end)}
        alone = flat.offsets[:-1][np.diff(flat.offsets) == 1]  # one event has nothing to predict it from
        assert covered == set(range(len(flat.films))) - set(alone.tolist())


def test_batches_hold_every_window_once_within_their_size(flat: histories.Flat) -> None:
    made = histories.batches(flat, 16, 64, np.random.default_rng(3))
    cut = histories.windows(flat, 16, np.random.default_rng(3))
    assert sorted(map(tuple, np.concatenate(made))) == sorted(map(tuple, cut))
    assert all(len(part) * (part[:, 1] - part[:, 0]).max() <= 64 for part in made)


def test_gathered_histories_are_padded_at_the_end(flat: histories.Flat) -> None:
    cut = histories.latest(flat, 10)
    got = histories.gather(flat, cut, CPU)
    assert got.films.shape[1] % histories.ROUND == 0
    for row, (start, end) in enumerate(cut):
        n = end - start
        assert got.films[row, :n].tolist() == flat.films[start:end].tolist()
        assert got.times[row, :n].tolist() == flat.times[start:end].tolist()
        assert not got.films[row, n:].any()
    assert end - start == min(10, np.diff(flat.offsets)[-1])


def test_seen_is_what_lies_before_a_target_in_its_window(flat: histories.Flat) -> None:
    cut = np.stack([flat.offsets[:-1], flat.offsets[1:]], axis=1)
    window, place, film = histories.targets(flat, cut, CPU)
    seen = histories.seen(histories.gather(flat, cut, CPU).films, window, place)
    assert len(seen) == len(film)
    for w, p, told in zip(window.tolist(), place.tolist(), seen.tolist(), strict=True):
        assert set(told) == set(flat.films[cut[w, 0] : cut[w, 0] + p + 1].tolist())


def test_nobody_and_nothing_are_histories_too() -> None:
    nothing = pa.table({
        "user_seen_movie_ids": pa.nulls(2), "user_seen_ratings": pa.nulls(2), "user_seen_timestamps": pa.nulls(2),
    })  # fmt: skip
    for table in (nothing, nothing.slice(0, 0)):
        flat = histories.flatten(table, FILMS)
        assert len(flat.films) == 0
        assert histories.batches(flat, 16, 64, np.random.default_rng(0)) == []
        assert histories.latest(flat, 10).tolist() == [[0, 0]] * table.num_rows
