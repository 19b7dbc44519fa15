"""A ranker's network as ONNX."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import onnx
from models.rank.encoding import GENRES, LEADS
from models.rank.networks.parts import Inputs

PAIRS = ("numbers", "words", "genres", "people", "candidate")
"""Inputs with a row a pair; the others have one a user."""


def export_ranker(network: Any, window: int, path: Path) -> None:
    """Write a RankingNetwork; it takes any number of pairs of one user, whose history is `window` long."""
    fields = network.fields
    example = Inputs(
        torch.zeros(3, len(fields.mean)), integers(3, len(fields.offsets)), integers(3, GENRES), integers(3, 1 + LEADS),
        integers(3), integers(3), integers(1, window), integers(1, window), integers(1, window),
    )  # fmt: skip
    axes = {name: {0: "pairs"} for name in (*PAIRS, "out")}
    onnx.export(network, lambda *inputs: network(Inputs(*inputs)), example._asdict(), path, axes)


def integers(*shape: int) -> Tensor:
    """Zeros of the kind that ids are."""
    return torch.zeros(*shape, dtype=torch.long)
