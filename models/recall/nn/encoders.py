"""Encoders of a user's history: film vectors (b, w, d), newest last, to one vector (b, d).

Padding stands on the left and is zeros; it has no say. A row without any film gives zeros. Positions are counted from
the newest film, whose age is 0.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Encoder = Literal["mean", "gru", "transformer"]


def encoder(kind: Encoder, dim: int, window: int, heads: int, layers: int, dropout: float) -> nn.Module:
    """The encoder named; `layers` is for the two that have layers."""
    if kind == "mean":
        return RecencyMean(dim, window, heads)
    if kind == "gru":
        return Gru(dim, layers, dropout)
    return WindowTransformer(dim, window, heads, layers, dropout)


class RecencyMean(nn.Module):
    """Several means with weights that fall with age, each at a learned pace, put together by one matrix.

    The paces begin with half-lives spread from one film to the whole window.
    """

    def __init__(self, dim: int, window: int, heads: int) -> None:
        super().__init__()
        half_lives = torch.logspace(0, 1, heads, base=window)
        self.pace = nn.Parameter(torch.log(torch.log(torch.tensor(2.0)) / half_lives))
        self.out = nn.Linear(heads * dim, dim, bias=False)

    def forward(self, films: Tensor, known: Tensor) -> Tensor:
        """(b, w, d) and which are films (b, w) to (b, d)."""
        b, w, d = films.shape
        age = torch.arange(w - 1, -1, -1, device=films.device)
        weights = torch.exp(-self.pace.exp()[:, None] * age)  # (h, w)
        # one product for all rows, as padding is zeros: (h, w) by (w, b * d)
        sums = (weights.to(films.dtype) @ films.transpose(0, 1).reshape(w, b * d)).view(len(weights), b, d)
        totals = known.to(weights.dtype) @ weights.T  # (b, h)
        means = sums.transpose(0, 1) / totals.clamp(min=1e-9)[:, :, None]
        return self.out(means.flatten(1))


class Gru(nn.Module):
    """The last state of a gated recurrent unit. Hidasi et al., Session-based recommendations with RNNs (2016)."""

    def __init__(self, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, dim, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, films: Tensor, known: Tensor) -> Tensor:
        """(b, w, d) and which are films (b, w) to (b, d)."""
        b, w, d = films.shape
        counts = known.sum(dim=1, keepdim=True)
        place = (torch.arange(w, device=films.device) - counts) % w  # films first, in their order
        states = self.gru(films.gather(1, place[:, :, None].expand(b, w, d)))[0]
        last: Tensor = states.gather(1, (counts - 1).clamp(min=0)[:, :, None].expand(b, 1, d))[:, 0]
        return last * (counts > 0)


class WindowTransformer(nn.Module):
    """The newest film's state after pre-LayerNorm attention over the window. Vaswani et al. 2017, Xiong et al. 2020.

    Every film in the window lies before the question, so nothing has to be hidden from attention but padding.
    The sequence model's blocks share no code with these: theirs hide the future and add what is learned of distance and
    time to attention, which PyTorch's fused one, used here, does not take.
    """

    def __init__(self, dim: int, window: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.age = nn.Parameter(torch.randn(window, dim) * 0.02)
        self.blocks = nn.ModuleList(WindowBlock(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, films: Tensor, known: Tensor) -> Tensor:
        """(b, w, d) and which are films (b, w) to (b, d)."""
        states = self.dropout(films + self.age[-films.shape[1] :])
        visible = known.clone()
        visible[:, -1] = True  # a row without films looks at its own padding, and is zeroed below
        for block in self.blocks[:-1]:
            states = block(states, states, visible)
        states = self.blocks[-1](states[:, -1:], states, visible)  # only the newest state is asked for
        return self.norm(states[:, 0]) * known.any(dim=1)[:, None]


class WindowBlock(nn.Module):
    """Attention and a two-layer perceptron, each normalised before and added to what it was given."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
        )

    def forward(self, asking: Tensor, states: Tensor, visible: Tensor) -> Tensor:
        """New states (b, q, d) of the positions asking, which look at the visible (b, w) of all states (b, w, d)."""
        b, q, d = asking.shape
        normed = self.before(states)
        query = self.query(self.before(asking)).view(b, q, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(normed).view(b, -1, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(
            query, key, value, visible[:, None, None, :], self.dropout if self.training else 0.0
        )
        asking = asking + self.out(found.transpose(1, 2).reshape(b, q, d))
        return asking + self.perceptron(self.between(asking))
