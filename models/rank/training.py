"""The training loop of the ranker."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.progress import track
from models.rank.samples import Samples


def group_loss(logits: Tensor) -> Tensor:
    """Cross-entropy of the positive (column 0) among its group. (g, c) -> ()."""
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def train(network: nn.Module, samples: Samples, config: Any) -> dict[str, Any]:
    """Train in place, keep the best weights by the loss on the held-out groups; what those measured.

    The loss is the softmax over a group, which ranks the positive among what recall would show beside it.
    """
    rows = torch.from_numpy(samples.rows)
    cut = len(rows) - samples.held_out
    learn, check = rows[:cut], rows[cut:]
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    best, kept, weights = float("inf"), 0, copy.deepcopy(network.state_dict())
    for epoch in track(range(1, config.epochs + 1), f"{config.name}: epochs"):
        network.train()
        for batch in torch.randperm(len(learn)).split(config.batch):
            optimiser.zero_grad()
            group_loss(logits(network, learn[batch])).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            measured = float(group_loss(logits(network, check))) if len(check) else 0.0
        if measured < best:
            best, kept, weights = measured, epoch, copy.deepcopy(network.state_dict())
        elif epoch - kept >= config.patience:
            break
    network.load_state_dict(weights)
    network.eval()
    with torch.no_grad():
        held = logits(network, check) if len(check) else torch.zeros(0, rows.shape[1])
    ahead = (held[:, :1] > held[:, 1:]).float() + 0.5 * (held[:, :1] == held[:, 1:]).float()
    return {
        "epochs": kept,
        "groups": len(rows),
        "validation_logloss": best,
        # the share of negatives below their own positive, by event: AUC within a user's list
        "validation_gauc": float(ahead.mean()) if ahead.numel() else None,
    }


def logits(network: nn.Module, groups: Tensor) -> Tensor:
    """(g, c, d) -> (g, c)."""
    flat: Tensor = network(groups.reshape(-1, groups.shape[2]))
    return flat.reshape(groups.shape[:2])
