"""The training loop of the two towers."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from models.progress import track
from models.recall import towers

if TYPE_CHECKING:
    from models.recall.two_tower import TwoTowerConfig


class Examples(NamedTuple):
    """Events to train on: who, what, and how often a film is drawn."""

    users: towers.Users
    films: towers.Films
    log_q: torch.Tensor
    """(m + 1,) float32, log probability of each row of the film table in a batch."""


def train(
    network: towers.Towers,
    examples: Examples,
    config: "TwoTowerConfig",
    epochs: int,
    recall: Callable[[], float] | None,
) -> tuple[int, dict[str, Any]]:
    """Train `network` in place; the epochs kept and what validation measured.

    With `recall` the best weights by it are kept and training stops after `patience` epochs without a better
    one; without it all `epochs` are run.
    """
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    best, kept, weights = -1.0, epochs, copy.deepcopy(network.state_dict())
    for epoch in track(range(1, epochs + 1), f"{config.name}: epochs"):
        _epoch(network, examples, config, optimiser)
        if recall is None:
            continue
        measured = recall()
        if measured > best:
            best, kept, weights = measured, epoch, copy.deepcopy(network.state_dict())
        elif epoch - kept >= config.patience:
            break
    if recall is None:
        return epochs, {}
    network.load_state_dict(weights)
    return kept, {"validation_recall@50": best, "epochs": kept}


def _epoch(
    network: towers.Towers, examples: Examples, config: "TwoTowerConfig", optimiser: torch.optim.Optimizer
) -> None:
    network.train()
    users, films, log_q = examples
    order = torch.randperm(len(films.id))
    for rows in order.split(config.batch):
        if len(rows) < 2:  # nothing to contrast with
            continue
        who = towers.Users(*(column[rows] for column in users))
        what = towers.Films(*(column[rows] for column in films))
        loss = towers.info_nce(
            network.users(who), network.films(what), what.id, who.history,
            config.log_q * log_q[what.id], config.temperature,
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
