"""What the two towers are trained on: ratings, their negatives, and the loss of both tasks."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.recall.nn.contrast import log_frequencies, shared_bias, softmax_loss
from models.recall.nn.negatives import Negatives
from models.recall.two_tower.config import TwoTowerConfig
from models.recall.two_tower.features import FilmTable
from models.recall.two_tower.towers import Towers, UserInputs
from models.training import device

Batch = tuple[np.ndarray, int]


class Examples(NamedTuple):
    """Ratings to train on, a row each, on the CPU."""

    users: UserInputs
    """Who asked, with features of the rating's own moment."""
    films: Tensor
    """(n,) int64 rows of the film table."""
    ratings: Tensor
    """(n,) float32, standardised."""


class Training:
    """Batches of an epoch and the loss of one, as `models.training.Task` asks for them."""

    def __init__(
        self, network: Towers, examples: Examples, facts: FilmTable, negatives: Negatives, config: TwoTowerConfig
    ) -> None:
        self.network, self.examples, self.negatives, self.config = network, examples, negatives, config
        self.facts = FilmTable(*(part.to(device()) for part in facts))
        counts = torch.from_numpy(negatives.count)
        self.log_q = config.log_q * log_frequencies(counts, config.batch, config.uniform).to(device())

    def batches(self, rng: np.random.Generator) -> list[Batch]:
        """Rows of each batch and the seed of its negatives; ratings in a new order."""
        order = rng.permutation(len(self.examples.films))
        parts = np.split(order, np.arange(self.config.batch, len(order), self.config.batch))
        return [(rows, int(rng.integers(2**31))) for rows in parts if len(rows) > 1]  # one alone has no contrast

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch: the softmax over negatives, and the ratings' error."""
        rows, seed = batch
        rng = np.random.default_rng(seed)
        positives = self.examples.films[rows]
        shared = torch.cat([positives, torch.from_numpy(self.negatives.uniform(self.config.uniform, rng))])
        own = torch.from_numpy(self.negatives.hard(rows, rng)).to(device())  # (b, h)
        films, place, times = shared.to(device()).unique(return_inverse=True, return_counts=True)
        positive = place[: len(rows)]
        taken = UserInputs(*(part[rows].to(device()) for part in self.examples.users))
        users = self.network.users(taken)
        vectors = self.network.films(self.facts.films(torch.cat([films, own.ravel()])))
        queries = users / self.config.temperature
        bias = shared_bias(films, times, positive, taken.history, self.log_q)
        scores = torch.addmm(bias, queries, vectors[: len(films)].T)
        of_own = vectors[len(films) :].view(*own.shape, vectors.shape[1])
        own_scores = (queries[:, None] * of_own).sum(dim=2) - self.log_q[own]
        none = (own == 0) | (own == films[positive][:, None])
        loss = softmax_loss(scores, own_scores.masked_fill(none, float("-inf")), positive, self.config.online_hard)
        if self.config.rating_weight:
            given = self.network.ratings(users, vectors[positive])
            loss = loss + self.config.rating_weight * F.mse_loss(given, self.examples.ratings[rows].to(device()))
        return loss
