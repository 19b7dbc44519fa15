"""What networks that rank are built of: fields, target attention, crosses, a factorisation machine, experts."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.rank.encoding import Batch


class Inputs(NamedTuple):
    """A Batch as tensors, in its order."""

    numbers: Tensor
    words: Tensor
    genres: Tensor
    people: Tensor
    candidate: Tensor
    user: Tensor
    films: Tensor
    ratings: Tensor
    times: Tensor


def tensors(batch: Batch) -> Inputs:
    """The same memory as tensors."""
    return Inputs(*(torch.from_numpy(np.ascontiguousarray(values)) for values in batch))


def boundaries(numbers: np.ndarray, buckets: int) -> np.ndarray:
    """Where buckets of each column (p, d) part so that each has as many known rows: (d, buckets - 1) float32.

    A value at a boundary belongs above it. A column without any value has them at infinity: one bucket.
    """
    steps = np.linspace(0, 1, buckets + 1)[1:-1]
    out = np.full((numbers.shape[1], buckets - 1), np.inf, np.float32)
    for column, values in enumerate(numbers.T):
        known = values[~np.isnan(values)]
        if len(known):
            out[column] = np.quantile(known, steps, method="lower")
    return out


class Fields(nn.Module):
    """Every feature as a vector: buckets of numbers, words, means over genres and people, the film itself.

    Boundaries, means and deviations are part of the network, so of its artifact and of what is exported.
    """

    edges: Tensor
    mean: Tensor
    deviation: Tensor
    offsets: Tensor

    def __init__(
        self, numbers: int, buckets: int, words: list[int], genres: int, people: int, films: int, dim: int,
        film_dim: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.register_buffer("edges", torch.full((numbers, buckets - 1), float("inf")))
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))
        self.bucket = small(numbers * (buckets + 1), dim)  # 0 of each is for what is unknown
        self.register_buffer("offsets", torch.tensor(np.concatenate([[0], np.cumsum(words)])[:-1], dtype=torch.long))
        self.word = small(max(sum(words), 1), dim)
        self.genre, self.person = small(genres + 1, dim), small(people + 1, dim)
        self.film = small(films + 1, film_dim)
        self.count = numbers + len(words) + 2
        """Fields of length `dim`."""
        self.width = self.count * dim + film_dim + numbers

    def learn(self, numbers: np.ndarray, buckets: int) -> None:
        """Boundaries, means and deviations of training rows (p, d)."""
        self.edges = torch.from_numpy(boundaries(numbers, buckets))
        known = np.where(np.isnan(numbers).all(axis=0), 0.0, numbers)
        self.mean = torch.from_numpy(np.nanmean(known, axis=0, dtype=np.float64).astype(np.float32))
        deviation = np.nanstd(known, axis=0, dtype=np.float64)
        # a column that never changed stays at its mean for good: no weight was learned for anything else
        self.deviation = torch.from_numpy(np.where(deviation < 1e-3, np.inf, deviation).astype(np.float32))

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """The fields (p, count, dim), the film's own vector (p, film_dim), standardised numbers (p, d), 0 unknown."""
        known = ~torch.isnan(x.numbers)
        # edges outermost and counted as floats: onnxruntime has fast loops for these alone
        place = (x.numbers >= self.edges.T[:, None]).to(x.numbers.dtype).sum(dim=0).long() + 1
        start = torch.arange(x.numbers.shape[1], device=x.numbers.device) * (self.edges.shape[1] + 2)
        fields = [self.bucket(start + torch.where(known, place, torch.zeros_like(place)))]
        if x.words.shape[1]:
            fields.append(self.word(x.words + self.offsets))
        fields += [mean_of(self.genre, x.genres)[:, None], mean_of(self.person, x.people)[:, None]]
        return torch.cat(fields, dim=1), self.film(x.candidate), self.standard(x.numbers)

    def standard(self, numbers: Tensor) -> Tensor:
        """The numbers (p, d) standardised, 0 where unknown."""
        plain = torch.where(torch.isnan(numbers), self.mean, numbers)
        return ((plain - self.mean) / self.deviation).clamp(-5, 5)

    def flat(self, x: Inputs) -> Tensor:
        """All of it in one row (p, width)."""
        fields, film, numbers = self(x)
        return torch.cat([fields.flatten(1), film, numbers], dim=1)


def small(rows: int, dim: int) -> nn.Embedding:
    """An embedding with small weights."""
    made = nn.Embedding(rows, dim)
    nn.init.normal_(made.weight, std=0.02)
    return made


def mean_of(table: nn.Embedding, ids: Tensor) -> Tensor:
    """The mean vector of the ids (p, n) that are not 0: (p, dim), zeros where all are."""
    known = (ids > 0).to(table.weight.dtype)
    total: Tensor = (table(ids) * known[:, :, None]).sum(dim=1)
    return total / known.sum(dim=1, keepdim=True).clamp(min=1)


GAPS = 24
"""Steps of time: a doubling of seconds each."""


class TargetAttention(nn.Module):
    """What of the history speaks for this film. Zhou et al., Deep interest network (KDD 2018), with time gaps.

    The unit that weighs a film watched h against the candidate q is a perceptron of h, q, their product and what was
    rated when. Weights are no softmax, as in the paper: how much was watched may count. Padding gives zeros.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.rating, self.gap = small(11, dim), small(GAPS, dim)
        self.of_history, self.of_candidate = nn.Linear(dim, hidden), nn.Linear(dim, hidden, bias=False)
        self.of_product = nn.Linear(dim, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, table: Tensor, x: Inputs, candidate: Tensor) -> Tensor:
        """(p, d): the weighted sum of the history, given the film table and the candidates' vectors (p, d)."""
        known = (x.films > 0).to(candidate.dtype)
        films = F.embedding(x.films, table)
        step = torch.log2(1 + x.times.to(candidate.dtype)).long().clamp(max=GAPS - 1)
        states = (films + self.rating(x.ratings) + self.gap(step)) * known[:, :, None]  # (u, w, d)
        history = F.pad(states, (0, 1), value=1.0)[x.user]  # (p, w, d + 1), for what a film watched does not change
        # all that is linear in a film watched is one matrix for each candidate, which is what keeps 500 of them cheap
        matrix = self.of_history.weight.T + candidate[:, :, None] * self.of_product.weight.T  # (p, d, hidden)
        shift = self.of_history.bias + self.of_candidate(candidate)
        hidden = torch.relu(history @ torch.cat([matrix, shift[:, None]], dim=1))
        weights = F.linear(hidden, self.out.weight).squeeze(2) + self.out.bias  # of padding any: its states are zeros
        return (weights[:, None] @ history).squeeze(1)[:, :-1] / x.films.shape[1]


class Crosses(nn.Module):
    """x_{l+1} = x_0 * (U V x_l + b) + x_l. Wang et al., DCN V2 (WWW 2021), equation 2: W of low rank."""

    def __init__(self, width: int, layers: int, rank: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(layers))
        self.up = nn.ModuleList(nn.Linear(rank, width) for _ in range(layers))

    def forward(self, first: Tensor) -> Tensor:
        """(p, d) -> (p, d)."""
        x = first
        for down, up in zip(self.down, self.up, strict=True):
            x = first * up(down(x)) + x
        return x


def pairwise(fields: Tensor) -> Tensor:
    """The factorisation machine's sum of inner products of all pairs of fields (p, f, d): (p,). Rendle 2010."""
    total = fields.sum(dim=1)
    return 0.5 * (total * total - (fields * fields).sum(dim=1)).sum(dim=1)


def deep(width: int, hidden: list[int], dropout: float) -> nn.Sequential:
    """Layers of ReLU with dropout."""
    layers: list[nn.Module] = []
    for before, after in zip([width, *hidden], hidden, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class Experts(nn.Module):
    """Experts that all tasks share, mixed by a gate a task. Ma et al., MMoE (KDD 2018)."""

    def __init__(self, width: int, hidden: list[int], experts: int, tasks: int, dropout: float) -> None:
        super().__init__()
        self.experts = nn.ModuleList(deep(width, hidden, dropout) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(width, experts) for _ in range(tasks))
        self.towers = nn.ModuleList(nn.Linear(hidden[-1], 1) for _ in range(tasks))

    def forward(self, x: Tensor) -> Tensor:
        """(p, d) -> (p, tasks)."""
        said = torch.stack([expert(x) for expert in self.experts], dim=2)  # (p, hidden, experts)
        answers = [
            tower((torch.softmax(gate(x), dim=1)[:, None] * said).sum(dim=2))
            for gate, tower in zip(self.gates, self.towers, strict=True)
        ]
        return torch.cat(answers, dim=1)
