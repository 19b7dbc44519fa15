"""A network's weights: what embeddings start from, and the way of all weights into an artifact and back."""

import numpy as np
import torch
from torch import nn

PREFIX = "network."
"""What names of weights begin with in an artifact that has other tensors beside them."""


def small_embedding(rows: int, dim: int) -> nn.Embedding:
    """An embedding with small weights."""
    made = nn.Embedding(rows, dim)
    nn.init.normal_(made.weight, std=0.02)
    return made


def weights_of(network: nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    """The weights by name, as an artifact holds them."""
    return {f"{prefix}{name}": value.cpu().numpy() for name, value in network.state_dict().items()}


def take_weights(network: nn.Module, tensors: dict[str, np.ndarray], prefix: str = "") -> None:
    """Put the weights among an artifact's tensors back, and make the network ready for answers."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    network.load_state_dict({name: torch.from_numpy(value) for name, value in own.items()})
    network.eval()
