"""Networks as ONNX, run by onnxruntime: one core, no Python between their layers."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

FILE = "model.onnx"
OPSET = 18


class _SideBySide(nn.Module):
    """A network asked by a function of tensors side by side, as the exporter wants them."""

    def __init__(self, network: nn.Module, ask: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network, self.ask = network, ask

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.ask(*inputs)


def export(
    network: nn.Module, ask: Callable[..., Tensor], example: Mapping[str, Tensor], path: Path,
    axes: Mapping[str, dict[int, str]],
) -> None:  # fmt: skip
    """Write what `ask` has the network answer to the tensors of `example`, in their order.

    `axes` names the sizes that vary. The one output is `out`, and may be among them.
    """
    with warnings.catch_warnings():  # the exporter that needs no other library warns that it is the old one
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _SideBySide(network, ask).eval(), tuple(example.values()), str(path), input_names=list(example),
            output_names=["out"], dynamic_axes=dict(axes), opset_version=OPSET, dynamo=False,
        )  # fmt: skip


class Session:
    """An exported network, on one core."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = {given.name for given in self._session.get_inputs()}

    def __call__(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output for inputs by name. What the network does not read was left out of the file."""
        out: np.ndarray = self._session.run(["out"], {n: value for n, value in given.items() if n in self._names})[0]
        return out
