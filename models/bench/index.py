"""What `cinefeast bench recall` measures of search: each kind of index on one thread, all channels on 1000 users."""

import time
from typing import Any

import faiss
import numpy as np
import pandas as pd

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from models.columns import integers
from models.dataset import Dataset
from models.recall.registry import RECALL
from models.recall.search.index import IndexConfig, build_index, search
from models.registry import model_class
from models.train import artifacts_of

FILMS = 87_585
"""Films of MovieLens 32M."""
LARGE = "ivf"
"""The index for a catalogue of that size; below some 20,000 films `flat` is as fast, and exact."""
KINDS = ("flat", "hnsw", "ivf")
CLUSTERS = 300


def measure_index(
    films: int = FILMS, dim: int = 64, k: int = 500, queries: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Milliseconds a query, recall against exact search and build seconds of each index, on made-up vectors.

    Films and users gather around the same tastes, as trained vectors do: spread evenly they would be harder to search
    than any real ones. One query at a time, on one thread. `faiss_p50_ms` is the figure of `index`.
    """
    films_at, users_at = made_up(films, dim, seed), made_up(queries, dim, seed, drawn=1)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        found = {kind: _measure(kind, films_at, users_at, k, seed) for kind in KINDS}
    finally:
        faiss.omp_set_num_threads(threads)
    exact = found["flat"].pop("rows")
    for kind in KINDS[1:]:
        rows = found[kind].pop("rows")
        hits = [len(np.intersect1d(a, b)) / len(b) for a, b in zip(rows, exact, strict=True)]
        found[kind][f"recall@{k}"] = float(np.mean(hits))
    shape = {"films": films, "dim": dim, "k": k, "queries": queries}
    return {"faiss_p50_ms": found[LARGE]["p50_ms"], "index": LARGE, **shape, **found}


def made_up(n: int, dim: int, seed: int, drawn: int = 0) -> np.ndarray:
    """Vectors (n, dim) of length one around tastes that hang on the seed alone, some of them far commoner."""
    tastes = np.random.default_rng(seed).normal(size=(CLUSTERS, dim))
    rng = np.random.default_rng([seed, drawn])
    share = 1 / np.arange(1, CLUSTERS + 1)
    of = rng.choice(CLUSTERS, n, p=share / share.sum())
    vectors = tastes[of] + rng.normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _measure(kind: Any, films: np.ndarray, users: np.ndarray, k: int, seed: int) -> dict[str, Any]:
    config = IndexConfig(name=kind, service="none", seed=seed, index=kind)
    started = time.perf_counter()
    index = build_index(films, config)
    built = time.perf_counter() - started
    rows, took = [], []
    for user in users:
        started = time.perf_counter()
        rows.append(search(index, user[None], k, config)[1][0])
        took.append(time.perf_counter() - started)
    p50, p99 = 1000 * np.percentile(took, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "build_s": built, "rows": rows}


def measure_channels(space: Workspace, queries: int = 1000, k: int = 500, seed: int = 0) -> dict[str, Any]:
    """Seconds in which each trained channel answers `queries` users of the workspace as of the end of its data.

    Reading the users' features and films seen is counted apart: `features_s` and `seen_s`. CineFeastError where no
    channel is trained.
    """
    from feature_repo.store import load_store

    store = load_store()
    data = Dataset(store)
    folder = artifacts_of(space, "time")
    trained = [name for name in RECALL if (folder / name / "config.json").exists()]
    if not trained:
        raise CineFeastError(f"no trained channel in {folder}", "cinefeast train")
    user_ids = np.unique(integers(data.interactions(), "user_id"))
    drawn = np.random.default_rng(seed).permutation(user_ids)[:queries]
    moment = pd.Timestamp(data.cut_off("test")).tz_localize(None)
    frame = pd.DataFrame({"user_id": np.sort(drawn), "event_timestamp": moment})
    seen, seen_s = timed(lambda: data.seen(frame))
    channels = {}
    for name in trained:
        channel: Any = model_class(name).load(folder / name, store)
        users, features_s = timed(lambda channel=channel: data.users(channel.config.service, frame))
        _, recommend_s = timed(lambda channel=channel, users=users: channel.recommend(users, k, seen))
        channels[name] = {"features_s": features_s, "recommend_s": recommend_s}
    total = seen_s + sum(sum(found.values()) for found in channels.values())
    return {"users": len(frame), "k": k, "seen_s": seen_s, "channels": channels, "total_s": total}


def timed(work: Any) -> tuple[Any, float]:
    """What `work` returns, and the seconds it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started
