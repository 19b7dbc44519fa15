"""What a ranker lives on: how much GAUC falls when one feature's values change places. Breiman 2001."""

from typing import Any

import numpy as np

from models.metrics.pointwise import gauc
from models.rank.encoding import Batch
from models.rank.samples.samples import Samples

GROUPS = 1000
"""Test groups that are scored again for each feature."""


def importance(ranker: Any, samples: Samples, seed: int = 0) -> dict[str, float]:
    """Feature to the GAUC lost without it, the most first."""
    some = samples.part(0, min(samples.groups, GROUPS))
    batch: Batch = ranker.encoder(some.pairs)
    rng = np.random.default_rng(seed)

    def measure(changed: Batch) -> float:
        return float(gauc(ranker.scores_of(changed).reshape(some.groups, -1)).mean())

    whole = measure(batch)
    found: dict[str, float] = {}
    for place, name in enumerate(ranker.encoder.names):
        numbers = batch.numbers.copy()
        numbers[:, place] = rng.permutation(numbers[:, place])
        found[name] = whole - measure(batch._replace(numbers=numbers))
    for part in ("words", "genres", "people", "candidate"):
        found[part] = whole - measure(batch._replace(**{part: rng.permutation(getattr(batch, part))}))
    order = rng.permutation(len(batch.films))
    found["history"] = whole - measure(
        batch._replace(films=batch.films[order], ratings=batch.ratings[order], times=batch.times[order])
    )
    return dict(sorted(found.items(), key=lambda item: -item[1]))
