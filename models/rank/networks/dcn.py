"""DCN-V2: explicit crosses of features beside a deep part. Wang et al., DCN V2 (WWW 2021), arXiv:2008.13535."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.rank.config import NetworkConfig
from models.rank.networks.network import NetworkRanker, RankingNetwork
from models.rank.networks.parts import Crosses, Fields, Inputs, deep


class DCNConfig(NetworkConfig):
    """Configuration of the DCN-V2 ranker."""

    crosses: int
    """Cross layers."""
    rank: int
    """Rank of a cross layer's matrix."""


class DCNNetwork(RankingNetwork):
    """Crosses and deep part in parallel, one logit out."""

    def __init__(self, fields: Fields, config: DCNConfig) -> None:
        super().__init__(fields, tasks=1)
        self.crosses = Crosses(fields.width, config.crosses, config.rank)
        self.deep = deep(fields.width, config.hidden, config.dropout)
        self.out = nn.Linear(fields.width + config.hidden[-1], 1)

    def forward(self, x: Inputs) -> Tensor:
        """Inputs to (p, 1)."""
        first = self.fields.flat(x)
        logit: Tensor = self.out(torch.cat([self.crosses(first), self.deep(first)], dim=1))
        return logit


class DCN(NetworkRanker):
    """DCN-V2 ranker: the probability that a candidate is what the user watches next, among candidates of recall."""

    Config: ClassVar[type[ModelConfig]] = DCNConfig
    config: DCNConfig

    def network_of(self, fields: Fields) -> RankingNetwork:
        """See NetworkRanker."""
        return DCNNetwork(fields, self.config)
