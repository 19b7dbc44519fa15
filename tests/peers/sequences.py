"""RecTools' columns, and its SASRec as comparison and speed test train it. Runs in the peers' environment."""

from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Trainer, seed_everything
from rectools import Columns
from rectools.models import SASRecModel

ARCHITECTURE = {
    "n_factors": 64,
    "n_blocks": 2,
    "n_heads": 1,
    "session_max_len": 200,
    "dropout_rate": 0.1,
    "batch_size": 128,
    "loss": "softmax",
    "lr": 0.001,
}
"""As published for MovieLens 1M in several papers; the loss is RecTools' own default."""


def as_dataset(users: pd.Series, films: pd.Series) -> pd.DataFrame:
    """Interactions in RecTools' columns; the moment is the place in the order, so that ties stay as they are."""
    moments = pd.to_datetime(np.arange(len(users)), unit="s")
    ids = {Columns.User: users.to_numpy(), Columns.Item: films.to_numpy()}
    return pd.DataFrame({**ids, Columns.Weight: 1.0, Columns.Datetime: moments})


def sasrec(seed: int = 0, **trainer: Any) -> SASRecModel:
    """An untrained SASRec; `trainer` says how long it is trained (max_epochs, max_steps, max_time)."""
    seed_everything(seed, verbose=False)

    def make_trainer() -> Trainer:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return Trainer(devices=1, enable_model_summary=False, **quiet, **trainer)

    return SASRecModel(**ARCHITECTURE, get_trainer_func=make_trainer, recommend_n_threads=1)
