"""MIND: several interest vectors a user. Li et al., Multi-interest network with dynamic routing (CIKM 2019)."""

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore
from torch import Tensor

from models.columns import ragged
from models.dataset import Dataset, Split
from models.ids import Ids
from models.recall.interests.capsules import Capsules, interest_softmax
from models.recall.nn import histories
from models.recall.nn.pasts import Pasts, newest_first
from models.recall.nn.recaller import NeuralRecaller
from models.recall.search.vectors import VectorConfig
from models.training import Batches, Loss, device
from models.weights import take_weights, weights_of


class MindConfig(VectorConfig):
    """Configuration of MIND."""

    dim: int
    """Width of the vectors."""
    interests: int
    """At most so many interests a user."""
    rounds: int
    """Rounds of routing."""
    sharpness: float
    """What agreement between film and interest is multiplied by in routing; 1 as in the paper."""
    length: int
    """How many of a user's latest films are looked at."""
    recency: float
    """What a film adds to interests: (1 + films rated since) ** -recency; 0 counts all alike, as the paper does."""
    temperature: float
    """What products with films, which are of length one, are divided by in the loss; smaller is sharper."""
    dropout: float
    """Share of a past's films left out at random in training."""
    negatives: int
    """Films drawn for a batch's sampled softmax."""
    batch: int
    """Events in a batch."""
    judged: int = 2000
    """How many validation events judge an epoch."""


class Mind(NeuralRecaller):
    """Dynamic routing of the history into interests; a film is as near as the nearest of them."""

    Config = MindConfig
    config: MindConfig
    network: Capsules

    def prepare(self, data: Dataset, until: Split) -> tuple[Batches, Loss]:
        """Every event against what its user had rated before."""
        c = self.config
        table = data.histories(c.service, until)
        self.films = Ids(np.unique(ragged(table, "user_seen_movie_ids")[0]))
        examples = Pasts(histories.flatten(table, self.films), c.length)
        self.network = self._network()
        return lambda rng: examples.batches(c.batch, rng), lambda rows: self._loss(*examples.take(rows))

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """See VectorRecaller: the interests; who has fewer than others has the first again in the others' place."""
        flat = histories.flatten(users, self.films)
        past = newest_first(flat, histories.latest(flat, self.config.length))
        with torch.inference_mode():
            interests, active = self.network(torch.from_numpy(past).to(self.network.start.device))
            interests = torch.where(active[:, :, None], interests, interests[:, :1])
        return interests.float().cpu().numpy(), past[:, 0] > 0

    def _loss(self, past: np.ndarray, targets: np.ndarray) -> Tensor:
        """Softmax loss of the films (b,) that users chose after their past (b, t)."""
        c, where = self.config, device()
        interests, active = self.network(torch.from_numpy(past).to(where))
        films = self.network.film_vectors()
        drawn = torch.randint(len(films), (c.negatives,), device=where)
        return interest_softmax(interests / c.temperature, active, films, torch.from_numpy(targets).to(where), drawn)

    def _network(self) -> Capsules:
        c = self.config
        return Capsules(len(self.films), c.length, c.dim, c.interests, c.rounds, c.sharpness, c.recency, c.dropout)

    def reindex(self) -> None:
        """Index the film table."""
        self.index_films(self.network.film_vectors().detach().float().cpu().numpy())

    def tensors(self) -> dict[str, np.ndarray]:
        """The network's weights; the film table is among them."""
        return weights_of(self.network)

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the network and the index from what was saved."""
        self.epochs = facts["epochs"]
        self.network = self._network()
        take_weights(self.network, tensors)
        self.reindex()
