"""Reciprocal rank fusion, worked out by hand and against a plain loop."""

import numpy as np
import pytest

from models.recall.merge import SLICE, ChannelLists, merge
from models.recall.merging import ChannelWeight, Merging
from models.recall.registry import MERGE, RECALL

INF = -np.inf
CHANNELS = {
    "a": (np.array([[10, 20, 30]]), np.array([[4.0, 2.0, 1.0]], np.float32)),
    "b": (np.array([[30, 40, -1]]), np.array([[0.5, 0.1, INF]], np.float32)),
}


def weighted(a: float, b: float) -> Merging:
    return Merging(channels={"a": ChannelWeight(weight=a), "b": ChannelWeight(weight=b)})


def test_by_hand() -> None:
    merged = merge(CHANNELS, weighted(1, 2), size=5)
    assert merged.ids.tolist() == [[30, 40, 10, 20, -1]]
    expected = [1 / 63 + 2 / 61, 2 / 62, 1 / 61, 1 / 62, INF]
    assert merged.scores[0] == pytest.approx(expected)
    assert merged.ranks["a"].tolist() == [[3, 0, 1, 2, 0]]
    assert merged.ranks["b"].tolist() == [[1, 2, 0, 0, 0]]
    assert merged.values["a"][0] == pytest.approx([0.25, 0, 1, 0.5, 0])
    assert merged.values["b"][0] == pytest.approx([1, 0.2, 0, 0, 0])


def test_a_quota_silences_the_places_after_it() -> None:
    """With one place each, a brings 10 and b brings 30; what a says of 30 on its third place is not heard."""
    merging = Merging(rrf=0, channels={"a": ChannelWeight(quota=1), "b": ChannelWeight(quota=1, weight=0.5)})
    merged = merge(CHANNELS, merging, size=3)
    assert merged.ids.tolist() == [[10, 30, -1]]
    assert merged.scores[0] == pytest.approx([1.0, 0.5, INF])
    assert merged.ranks["a"].tolist() == [[1, 0, 0]]


def test_users_of_few_ratings_have_shares_of_their_own() -> None:
    """The first user is merged as all are; for the second b is silent and a may name two films."""
    twice = {name: (ids.repeat(2, axis=0), scores.repeat(2, axis=0)) for name, (ids, scores) in CHANNELS.items()}
    settings = {"a": ChannelWeight(), "b": ChannelWeight(weight=2)}
    merging = Merging(channels=settings, few={"a": ChannelWeight(weight=0.5, quota=2)})
    merged = merge(twice, merging, size=5, few=np.array([False, True]))
    assert merged.ids.tolist() == [[30, 40, 10, 20, -1], [10, 20, -1, -1, -1]]
    assert merged.scores[1, :2] == pytest.approx([0.5 / 61, 0.5 / 62])
    assert merged.ranks["b"].tolist() == [[1, 2, 0, 0, 0], [0, 0, 0, 0, 0]]
    alone = merge(CHANNELS, merging, size=5)
    assert alone.ids[0].tolist() == merged.ids[0].tolist()
    with pytest.raises(ValueError, match="few names c"):
        Merging(channels=settings, few={"c": ChannelWeight()})


def test_cut_to_size_and_ties_by_movie_id() -> None:
    same = {
        "a": (np.array([[7, 3]]), np.ones((1, 2), np.float32)),
        "b": (np.array([[3, 7]]), np.ones((1, 2), np.float32)),
    }
    assert merge(same, weighted(1, 1), size=1).ids.tolist() == [[3]]


def test_disabled_channels() -> None:
    nothing = (np.full((1, 3), -1), np.full((1, 3), INF, np.float32))
    merged = merge({"a": CHANNELS["a"], "b": nothing}, weighted(1, 1), size=3)
    assert merged.ids.tolist() == [[10, 20, 30]]
    assert merge({"a": nothing}, weighted(1, 1), size=2).ids.tolist() == [[-1, -1]]
    nobody = {"a": (np.empty((0, 3), np.int64), np.empty((0, 3), np.float32))}
    assert merge(nobody, weighted(1, 1), size=2).ids.shape == (0, 2)


def test_against_a_loop() -> None:
    """More users than are merged at a time; weights, quotas and padding of every kind; a channel that only knows -1."""
    rng = np.random.default_rng(0)
    n, names = SLICE + 30, ("a", "b", "c")
    brought: ChannelLists = {}
    for name in names:
        ids = np.stack([rng.permutation(80)[:40] for _ in range(n)])
        scores = np.sort(rng.random((n, 40)).astype(np.float32), axis=1)[:, ::-1].copy()
        filled = rng.integers(0, 41, n) if name == "b" else np.full(n, 40)
        gone = np.arange(40) >= filled[:, None]
        ids[gone], scores[gone] = -1, INF
        brought[name] = (ids, scores)
    settings = {
        "a": ChannelWeight(weight=1.0, quota=20),
        "b": ChannelWeight(weight=0.5),
        "c": ChannelWeight(weight=2.0, quota=5),
    }
    merged = merge(brought, Merging(rrf=10, channels=settings), size=30)
    for user in range(n):
        sums: dict[int, float] = {}
        for name, setting in settings.items():
            for rank, film in enumerate(brought[name][0][user][: setting.quota], 1):
                if film >= 0:
                    sums[film] = sums.get(film, 0.0) + setting.weight / (10 + rank)
        expected = sorted(sums, key=lambda film: (-round(sums[film], 12), film))[:30]
        assert [film for film in merged.ids[user] if film >= 0] == expected
        for place, film in enumerate(expected):
            for name in names:
                rank = merged.ranks[name][user, place]
                assert rank == 0 or brought[name][0][user, rank - 1] == film


def test_the_frozen_merge_names_channels_that_there_are_and_writes_itself(tmp_path: object) -> None:
    assert set(MERGE.channels) <= set(RECALL)
    path = tmp_path / "merge.toml"  # type: ignore[operator]
    path.write_text(MERGE.toml())
    assert Merging.read(path) == MERGE
