"""The bench of search: on few vectors, where the answer is known."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dbt_project.errors import CineFeastError
from models.bench.index import made_up, measure_channels, measure_index


def test_it_measures_every_index_and_names_the_one_that_counts() -> None:
    found = measure_index(films=2000, dim=16, k=20, queries=30)
    assert found["faiss_p50_ms"] == found[found["index"]]["p50_ms"]
    for kind in ("flat", "hnsw", "ivf"):
        assert 0 < found[kind]["p50_ms"] <= found[kind]["p99_ms"]
        assert found[kind]["build_s"] > 0
    assert "recall@20" not in found["flat"]
    for kind in ("hnsw", "ivf"):
        assert 0.9 < found[kind]["recall@20"] <= 1.0  # breadth and probes nearly reach all of 2000


def test_made_up_vectors_are_seeded_of_length_one_and_clustered() -> None:
    vectors = made_up(3000, 32, seed=1)
    assert np.array_equal(vectors, made_up(3000, 32, seed=1))
    assert not np.array_equal(vectors, made_up(3000, 32, seed=2))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    users = made_up(100, 32, seed=1, drawn=1)
    assert not np.isin(users[:, 0], vectors[:, 0]).any()
    cosines = users @ vectors.T  # evenly spread, the nearest of 3000 in 32 dimensions is at about .55
    assert np.median(cosines.max(axis=1)) > 0.65


def test_it_times_the_channels_that_are_trained(
    channels: dict[str, Any], store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_repo.store.load_store", lambda: store)
    space: Any = SimpleNamespace(artifacts=tmp_path)
    with pytest.raises(CineFeastError, match="no trained channel"):
        measure_channels(space)
    for name in ("popularity", "item_cf"):
        channels[name].save(tmp_path / name)
    found = measure_channels(space, queries=40, k=10)
    assert found["users"] == 40
    assert list(found["channels"]) == ["popularity", "item_cf"]
    assert found["total_s"] > 0
