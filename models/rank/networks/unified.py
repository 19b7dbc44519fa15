"""UnifiedRanker: a linear part; fields, attention over the history, DCN-V2 crosses, two tasks over shared experts."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.config import ModelConfig
from models.rank.config import NetworkConfig
from models.rank.networks.network import NetworkRanker, RankingNetwork
from models.rank.networks.parts import Crosses, Experts, Fields, Inputs, TargetAttention

WIDE = 10.0
"""What a step of the linear part counts beside one of the rest: it is to converge before the deep part fits noise."""


class UnifiedConfig(NetworkConfig):
    """Configuration of the UnifiedRanker."""

    attention: int
    """Width of the unit that weighs the history; 0 for no history attention."""
    crosses: int
    """Cross layers; 0 for none."""
    rank: int
    """Rank of a cross layer's matrix."""
    experts: int
    """Experts that the tasks share."""
    tasks: int
    """2: what is watched and how it is rated; 1: the first alone."""


class UnifiedNetwork(RankingNetwork):
    """Inputs to (p, tasks): a linear part over all numbers, and a deep one that adds to it. Cheng et al. 2016."""

    def __init__(self, fields: Fields, config: UnifiedConfig) -> None:
        super().__init__(fields, config.tasks)
        self.attention = TargetAttention(config.film_dim, config.attention) if config.attention else None
        width = fields.width + (config.film_dim if self.attention else 0)
        self.crosses = Crosses(width, config.crosses, config.rank)
        self.experts = Experts(width, config.hidden, config.experts, config.tasks, config.dropout)
        self.wide = nn.Linear(len(fields.mean), config.tasks, bias=False)
        for last in (self.wide, *self.experts.towers):
            nn.init.zeros_(last.weight)

    def forward(self, x: Inputs) -> Tensor:
        """(p, tasks). The history's films and the candidates are rows of one table."""
        first = self.fields.flat(x)
        if self.attention is not None:
            table = self.fields.film.weight
            first = torch.cat([first, self.attention(table, x, self.fields.film(x.candidate))], dim=1)
        answer: Tensor = WIDE * self.wide(self.fields.standard(x.numbers)) + self.experts(self.crosses(first))
        return answer


class UnifiedRanker(NetworkRanker):
    """UnifiedRanker: what the user will watch among the candidates, and how they would rate it."""

    Config: ClassVar[type[ModelConfig]] = UnifiedConfig
    config: UnifiedConfig

    def network_of(self, fields: Fields) -> RankingNetwork:
        """See NetworkRanker."""
        return UnifiedNetwork(fields, self.config)
