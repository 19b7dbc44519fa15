"""What the two towers are trained on: ratings, their negatives, and the loss of both tasks."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.recall.contrast import log_frequencies, no_negatives, softmax_loss
from models.recall.negatives import Negatives
from models.recall.towers import Towers, Users
from models.recall.two_tower_config import TwoTowerConfig
from models.recall.two_tower_features import Facts
from models.training import device

Batch = tuple[np.ndarray, int]


class Examples(NamedTuple):
    """Ratings to train on, a row each, on the CPU."""

    users: Users
    """Who asked, with features of the rating's own moment."""
    films: Tensor
    """(n,) int64 rows of the film table."""
    statistics: Tensor
    """(n, s) of the film as of the rating, or (m + 1, s) of every film: `film_moment`."""
    ratings: Tensor
    """(n,) float32, standardised."""


class Training:
    """Batches of an epoch and the loss of one, as `models.training.Task` asks for them."""

    def __init__(
        self, network: Towers, examples: Examples, facts: Facts, negatives: Negatives, config: TwoTowerConfig
    ) -> None:
        self.network, self.examples, self.negatives, self.config = network, examples, negatives, config
        self.facts = Facts(*(part.to(device()) for part in facts))
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
        uniform = self.negatives.uniform(self.config.uniform, rng)
        own = self.negatives.hard(rows, rng)  # (b, h)
        drawn = np.concatenate([uniform, own.ravel()])
        films = torch.cat([self.examples.films[rows], torch.from_numpy(drawn)]).to(device())
        taken = Users(*(part[rows].to(device()) for part in self.examples.users))
        users = self.network.users(taken)
        vectors = self.network.films(self.facts.films(films, self._statistics(rows, drawn, rng), films > 0))
        b, c = len(rows), len(rows) + len(uniform)
        asked = users / self.config.temperature
        none = no_negatives(films[:c], taken.history, len(self.log_q))
        # what is masked and corrected is in the matrix that the product is added to: no gradient goes through it
        scores = torch.addmm((-self.log_q[films[:c]]).masked_fill(none, float("-inf")), asked, vectors[:c].T)
        own_films, own_vectors = films[c:].view(b, -1), vectors[c:].view(b, -1, vectors.shape[1])
        none = (own_films == 0) | (own_films == films[:b, None])
        own_scores = (asked[:, None] * own_vectors).sum(dim=2) - self.log_q[own_films]
        loss = softmax_loss(scores, own_scores.masked_fill(none, float("-inf")), self.config.online_hard)
        if self.config.rating_weight:
            ratings = self.examples.ratings[rows].to(device())
            loss = loss + self.config.rating_weight * F.mse_loss(self.network.ratings(users, vectors[:b]), ratings)
        return loss

    def _statistics(self, rows: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Of the rows' films, then of the films drawn: theirs at a rating of theirs, as a positive's are at its own."""
        if self.config.film_moment == "end":
            at = np.concatenate([self.examples.films[rows].numpy(), drawn])
        else:
            at = np.concatenate([rows, self.negatives.moments(drawn, rng)])
        return self.examples.statistics[at].to(device())
