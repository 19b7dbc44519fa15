"""DeepFM: a factorisation machine and a deep part over the same fields. Guo et al., DeepFM (IJCAI 2017)."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.rank.config import NetworkConfig
from models.rank.networks.network import NetworkRanker, RankingNetwork
from models.rank.networks.parts import Fields, Inputs, deep, pairwise


class DeepFMNetwork(RankingNetwork):
    """First order, products of fields, and a deep part, added up."""

    def __init__(self, fields: Fields, config: NetworkConfig) -> None:
        super().__init__(fields, tasks=1)
        self.first = nn.Linear(fields.width, 1)
        self.film = nn.Linear(fields.film.embedding_dim, fields.bucket.embedding_dim, bias=False)
        self.deep = deep(fields.width, config.hidden, config.dropout)
        self.out = nn.Linear(config.hidden[-1], 1)

    def forward(self, x: Inputs) -> Tensor:
        """Inputs to (p, 1)."""
        fields, film, numbers = self.fields(x)
        flat = torch.cat([fields.flatten(1), film, numbers], dim=1)
        machine = pairwise(torch.cat([fields, self.film(film)[:, None]], dim=1))
        logit: Tensor = self.first(flat) + machine[:, None] + self.out(self.deep(flat))
        return logit


class DeepFM(NetworkRanker):
    """DeepFM ranker: the probability that a candidate is what the user watches next, among candidates of recall."""

    Config: ClassVar[type[ModelConfig]] = NetworkConfig

    def network_of(self, fields: Fields) -> RankingNetwork:
        """See NetworkRanker."""
        return DeepFMNetwork(fields, self.config)
