"""A causal Transformer over rating histories, trained on every position at once, in PyTorch.

Kang and McAuley, Self-attentive sequential recommendation (ICDM 2018), with blocks that normalise first (Xiong et
al., ICML 2020), relative position and time in the attention (Shaw et al. 2018; Zhai et al., HSTU, ICML 2024), and the
film table shared between history and answer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.recall.nn.histories import Histories
from models.weights import small_embedding

BUCKETS = 64
"""Gaps in time on a logarithmic scale: two buckets for each doubling, the last from 2^31.5 seconds on."""
LONGEST = 2**32 - 1
"""Seconds, one more than which all lie in the last bucket."""


class CausalTransformer(nn.Module):
    """Histories to a vector at every position: what the user wants at the moment `requested`."""

    facts: Tensor
    """(films, w): what is known of each film beside who rated it; w may be 0."""

    def __init__(
        self, facts: Tensor, length: int, dim: int, heads: int, blocks: int, dropout: float, input_dropout: float,
        inner: int, ratings: bool, gaps: bool, calendar: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads, self.length = heads, length
        self.film = small_embedding(len(facts) + 1, dim)
        self.register_buffer("facts", facts)
        self.of_facts = nn.Linear(facts.shape[1], dim, bias=False) if facts.shape[1] else None
        if self.of_facts is not None:
            nn.init.normal_(self.of_facts.weight, std=0.02)
        self.rating = small_embedding(11, dim) if ratings else None
        self.gap = small_embedding(BUCKETS, dim) if gaps else None
        self.hour = small_embedding(24, dim) if calendar else None
        self.weekday = small_embedding(7, dim) if calendar else None
        self.distance = nn.Embedding(length, heads)
        self.elapsed = nn.Embedding(BUCKETS, heads) if gaps else None
        for bias in (self.distance, self.elapsed):
            if bias is not None:
                nn.init.zeros_(bias.weight)
        self.dropout = nn.Dropout(input_dropout)
        self.blocks = nn.ModuleList(CausalBlock(dim, heads, inner, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)

    def films(self) -> Tensor:
        """The film table (films + 1, d): a vector of its own for each film, and what its facts add; row 0 is none."""
        own: Tensor = self.film.weight
        return own if self.of_facts is None else own + F.pad(self.of_facts(self.facts), (0, 0, 1, 0))

    def forward(self, histories: Histories, films: Tensor) -> Tensor:
        """Vectors (b, t, d), given the film table. Padding lies at the end, so no real position ever sees it."""
        x, bias = self._inputs(histories, films), self._bias(histories)
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)

    def last(self, histories: Histories, films: Tensor, at: Tensor) -> Tensor:
        """The vectors (b, d) at one position each, `at` (b,), as `forward` has them; for answers, not for training.

        The last block, half of the work of two, asks from these positions alone.
        """
        x, bias = self._inputs(histories, films), self._bias(histories)
        for block in self.blocks[:-1]:
            x = block(x, bias)
        last = self.blocks[-1]
        assert isinstance(last, CausalBlock)
        return self.norm(last.at(x, bias, at))

    def _inputs(self, histories: Histories, films: Tensor) -> Tensor:
        x = F.embedding(histories.films, films)
        if self.rating is not None:
            x = x + self.rating(histories.ratings)
        if self.gap is not None:
            x = x + self.gap(bucket(histories.times, histories.requested))
        if self.hour is not None and self.weekday is not None:
            x = x + self.hour(histories.requested // 3600 % 24) + self.weekday((histories.requested // 86400 + 3) % 7)
        out: Tensor = self.dropout(x)
        return out

    def _bias(self, histories: Histories) -> Tensor:
        """What is added to each attention logit: (1 or b, heads, t, t), -inf for what comes later."""
        t = histories.films.shape[1]
        assert t <= self.length, f"a history of {t} films is longer than {self.length}"
        # worked out for any t and then cut, so that it is a constant of the exported network
        place = torch.arange(self.length, device=histories.films.device)
        back = place[:, None] - place[None, :]  # how many films before the query
        distance = self.distance(back.clamp(min=0)).permute(2, 0, 1).masked_fill(back < 0, float("-inf"))
        bias = distance[None, :, :t, :t]
        if self.elapsed is None:
            return bias
        since = bucket(histories.times[:, None, :], histories.requested[:, :, None])  # (b, t, t)
        return bias + of_each_head(self.elapsed, since)


class CausalBlock(nn.Module):
    """Attention and a perceptron, each normalised first and added to what came in."""

    def __init__(self, dim: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_perceptron = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.perceptron = nn.Sequential(nn.Linear(dim, inner), nn.GELU(), nn.Linear(inner, dim), nn.Dropout(dropout))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(b, t, d) -> (b, t, d)."""
        b, t, d = x.shape
        q, k, v = (
            self.project(self.before_attention(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        )
        x = x + self.dropout(self.out(attended(q, k, v, bias)))
        out: Tensor = x + self.perceptron(self.before_perceptron(x))
        return out

    def at(self, x: Tensor, bias: Tensor, at: Tensor) -> Tensor:
        """What `forward` has at one position each (b,), without dropout: (b, t, d) -> (b, d)."""
        b, t, d = x.shape
        heads, width = self.heads, d // self.heads
        seen, own = self.before_attention(x), x[torch.arange(b, device=x.device), at]
        # keys and values are linear in what is seen: with one question, they need not be worked out for all of it
        query, weight = self.before_attention(own), self.project.weight
        key, value = weight[d : 2 * d].view(heads, width, d), weight[2 * d :].view(heads, width, d)
        q = F.linear(query, weight[:d]).view(b, heads, 1, width) @ key
        bias = bias if len(bias) == b else bias.expand(b, -1, -1, -1)
        weights = attention(q, seen[:, None], bias.gather(2, at.view(b, 1, 1, 1).expand(-1, heads, 1, t)), width)
        own = own + self.out((weights @ seen[:, None] @ value.transpose(1, 2)).flatten(1))
        out: Tensor = own + self.perceptron(self.before_perceptron(own))
        return out


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """What queries (b, heads, n, w) take of values (b, heads, t, w), heads side by side: (b, n, heads * w)."""
    # on a CPU and at these sizes, plain products are faster than the fused kernel, and the bias is learned
    return (attention(q, k, bias, q.shape[3]).to(v.dtype) @ v).transpose(1, 2).flatten(2)


def attention(q: Tensor, k: Tensor, bias: Tensor, width: int) -> Tensor:
    """Weights (b, heads, n, t) of what is seen, for a head's width."""
    return torch.softmax(q * width**-0.5 @ k.transpose(2, 3) + bias, dim=3)


def bucket(start: Tensor, end: Tensor) -> Tensor:
    """The seconds from `start` to `end`, both int64, as 0..63: floor(2 log2(1 + s)), what is negative as 0."""
    # one product after the logarithm; a hair more, so that rounding takes no power of two into the bucket below
    scale = (2 + 1e-12) / math.log(2)
    # cut as floats: of integers, the exporter would keep 32 bits of the bound
    return (scale * torch.log((end + 1 - start).double().clamp(1, LONGEST))).long()


def of_each_head(table: nn.Embedding, rows: Tensor) -> Tensor:
    """The numbers (b, heads, t, t) in these rows (b, t, t) of a table."""
    if table.training:  # many gradients of one row add up fast in this way alone
        return table(rows).permute(0, 3, 1, 2)
    # for an answer, each head by itself: looking up rows of few numbers takes four times as long in onnxruntime
    b, t, _ = rows.shape
    heads = table.embedding_dim
    at = rows.flatten(1)[:, None].expand(-1, heads, -1)
    return table.weight.T.expand(b, -1, -1).gather(2, at).view(b, heads, t, t)
