"""What `cinefeast bench rank` measures: scoring one user's candidates by ONNX, by eager PyTorch and by LightGBM."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import onnx
from models.ids import Ids
from models.rank.baselines.boosting import Boosting, BoostingConfig
from models.rank.baselines.plain import matrix
from models.rank.encoding import GENRES, LEADS, Batch, Encoder
from models.rank.networks.onnx import export_ranker
from models.rank.networks.unified import UnifiedConfig, UnifiedRanker
from models.served import CHANNELS, RANKER

FILMS, PEOPLE, WORDS, GENRE_COUNT = 3883, 3000, 20, 20
"""What the made-up vocabularies hold: as many as MovieLens 1M's."""
ROUNDS = 300


def measure(candidates: int) -> dict[str, Any]:
    """Milliseconds of one user's candidates with a full history, on one core; encoded already, weights made up.

    `onnx_vs_torch` is how many times faster ONNX is at the median.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ranker, batch = made_up(candidates)
        with tempfile.TemporaryDirectory() as folder:
            export_ranker(ranker.network, ranker.config.inputs.window, Path(folder) / onnx.FILE)
            session = onnx.Session(Path(folder) / onnx.FILE)
        trees = boosted(ranker.encoder, batch)
        ways: dict[str, Callable[[], Any]] = {
            "onnx": lambda: session(batch._asdict()),
            "torch": lambda: ranker.by_torch(batch),
            "lightgbm": lambda: trees.scores_of(batch),
        }
        found: dict[str, Any] = {"candidates": candidates, "history": ranker.config.inputs.window}
        for name, way in ways.items():
            p50, p99 = np.quantile(milliseconds(way), [0.5, 0.99])
            found |= {f"{name}_p50_ms": round(float(p50), 3), f"{name}_p99_ms": round(float(p99), 3)}
        apart = float(np.abs(session(batch._asdict()) - ranker.by_torch(batch)).max())
    finally:
        torch.set_num_threads(threads)
    ratio = found["torch_p50_ms"] / found["onnx_p50_ms"]
    return found | {"onnx_vs_torch": round(ratio, 2), "max_difference": apart, "trees": trees.booster.num_trees()}


def milliseconds(way: Callable[[], Any]) -> np.ndarray:
    """How long each round took, after some that are not counted."""
    taken = []
    for _ in range(ROUNDS // 10 + ROUNDS):
        started = time.perf_counter()
        way()
        taken.append(1000 * (time.perf_counter() - started))
    return np.array(taken[ROUNDS // 10 :])


def made_up(candidates: int) -> tuple[UnifiedRanker, Batch]:
    """An untrained ranker of the configured shape, and candidates of one user."""
    rng = np.random.default_rng(0)
    config = UnifiedConfig.read(RANKER)
    encoder = Encoder(config.inputs, list(CHANNELS))
    encoder.films, encoder.people, encoder.genres = Ids(np.arange(FILMS)), Ids(np.arange(1, PEOPLE)), GENRE_COUNT
    named = (*config.inputs.user_categories, *config.inputs.film_categories)
    encoder.vocabulary = {name: [str(n) for n in range(WORDS)] for name in named}
    ranker = UnifiedRanker(config)
    ranker.encoder = encoder

    def ids(most: int, *shape: int) -> np.ndarray:
        return rng.integers(0, most, shape)

    numbers = rng.normal(size=(candidates, len(encoder.names))).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ranker.network = ranker._build().eval()
        for weights in ranker.network.parameters():  # untrained, its last layers are zeros
            torch.nn.init.normal_(weights, std=0.1)
    ranker.network.fields.learn(numbers, config.buckets)
    w = config.inputs.window
    words = np.stack([ids(size, candidates) for size in encoder.words], axis=1)
    return ranker, Batch(
        numbers, words, ids(GENRE_COUNT + 1, candidates, GENRES), ids(PEOPLE, candidates, 1 + LEADS),
        ids(FILMS + 1, candidates), np.zeros(candidates, np.int64),
        ids(FILMS, 1, w) + 1, ids(10, 1, w) + 1, ids(10**8, 1, w),
    )  # fmt: skip


def boosted(encoder: Encoder, batch: Batch, rows: int = 5000) -> Boosting:
    """LambdaMART of the configured size, on labels that depend on a few columns so that all its trees are grown."""
    import lightgbm

    config = BoostingConfig.read("lambdamart")
    rng = np.random.default_rng(0)
    features = np.nan_to_num(matrix(batch, encoder.genres)[rng.integers(0, len(batch.user), rows)])
    features[:, :40] += rng.normal(size=(rows, 40))
    label = (features[:, :10].sum(axis=1) + rng.normal(size=rows) > 0).astype(int)
    settings = {"objective": "lambdarank", "num_leaves": config.leaves, "verbosity": -1, "num_threads": 1}
    model = Boosting(config)
    model.encoder = encoder
    data = lightgbm.Dataset(features, label, group=np.full(rows // 10, 10))
    model.booster = lightgbm.train(settings, data, config.trees)
    return model
