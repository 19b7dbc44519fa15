"""The network as ONNX, scored by onnxruntime: one core, no Python between its layers."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.rank.encoding import GENRES, LEADS, Batch
from models.rank.parts import Inputs

FILE = "model.onnx"
OPSET = 18
PAIRS = ("numbers", "words", "genres", "people", "candidate", "user")
"""Inputs with a row a pair; the others have one a user."""


class _Flat(nn.Module):
    """The network with its inputs side by side, as the exporter wants them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.network(Inputs(*inputs))
        return out


def export(network: Any, window: int, path: Path) -> None:
    """Write a RankingNetwork; it takes any number of pairs and of users, whose histories are `window` long."""
    fields = network.fields
    example = Inputs(
        torch.zeros(3, len(fields.mean)), integers(3, len(fields.offsets)), integers(3, GENRES), integers(3, 1 + LEADS),
        integers(3), torch.tensor([0, 1, 1]), integers(2, window), integers(2, window), integers(2, window),
    )  # fmt: skip
    axes: dict[str, Any] = {name: {0: "pairs" if name in PAIRS else "users"} for name in Inputs._fields}
    with warnings.catch_warnings():  # the exporter that needs no other library warns that it is the old one
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Flat(network).eval(), tuple(example), str(path), input_names=list(Inputs._fields), output_names=["out"],
            dynamic_axes=axes | {"out": {0: "pairs"}}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def integers(*shape: int) -> Tensor:
    """Zeros of the kind that ids are."""
    return torch.zeros(*shape, dtype=torch.long)


class Session:
    """An exported network, on one core."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = {given.name for given in self._session.get_inputs()}

    def __call__(self, batch: Batch) -> np.ndarray:
        """(p, tasks) float32. What the network does not read was left out of the file."""
        given = {name: values for name, values in batch._asdict().items() if name in self._names}
        out: np.ndarray = self._session.run(["out"], given)[0]
        return out
