"""How many sequences a second RecTools' SASRec trains on. Runs in the peers' environment; prints one line of JSON.

Epochs of the same architecture and batch as ours (64 wide, 2 blocks, 1 head, 200 places, 128 sequences), its softmax
over all films, its own data loader. The first steps are not counted.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Callback
from rectools.dataset import Dataset
from sequences import ARCHITECTURE, as_dataset, sasrec

WARM_UP = 3


class Clock(Callback):
    """The moment at which each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it."""
        self.ends.append(time.perf_counter())


def synthetic(users: int, films: int, length: int) -> pd.DataFrame:
    """Users with histories that fill every place, films by a popularity of 1 / rank."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, films + 1)
    drawn = rng.choice(films, (users, length + 1), p=share / share.sum())
    return pd.DataFrame({"user_id": np.repeat(np.arange(users), length + 1), "movie_id": drawn.ravel()})


def rate(events: pd.DataFrame, steps: int) -> dict[str, Any]:
    """Sequences a second over `steps` steps after the warm-up."""
    batch = ARCHITECTURE["batch_size"]
    table = as_dataset(events["user_id"], events["movie_id"])
    model = sasrec(max_steps=WARM_UP + steps, callbacks=[Clock()])
    model.fit(Dataset.construct(table))
    clock = next(held for held in model.fit_trainer.callbacks if isinstance(held, Clock))  # RecTools trains on a copy
    counted = clock.ends[WARM_UP - 1 :]
    return {
        "examples_per_s": round(batch * (len(counted) - 1) / (counted[-1] - counted[0]), 2),
        "steps": len(counted) - 1,
        "films": events["movie_id"].nunique(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        **ARCHITECTURE,
    }


def main() -> None:
    """Measure on made-up histories, or on those of an exported interactions.parquet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interactions", type=Path, help="interactions.parquet of `cinefeast peers export`")
    parser.add_argument("--films", type=int, default=3500)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    if options.interactions:
        events = pd.read_parquet(options.interactions)
        events = events[events["split"] != "test"]
    else:
        users = ARCHITECTURE["batch_size"] * (WARM_UP + options.steps)
        events = synthetic(users, options.films, ARCHITECTURE["session_max_len"])
    print(json.dumps(rate(events, options.steps)))


if __name__ == "__main__":
    main()
