"""What networks that rank are built of: fields, target attention, crosses, a factorisation machine, experts."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.encoders import mean_and_deviation
from models.rank.encoding import Batch
from models.weights import small_embedding


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
        self.bucket = small_embedding(numbers * (buckets + 1), dim)  # 0 of each is for what is unknown
        self.register_buffer("offsets", torch.tensor(np.concatenate([[0], np.cumsum(words)])[:-1], dtype=torch.long))
        self.word = small_embedding(max(sum(words), 1), dim)
        self.genre, self.person = small_embedding(genres + 1, dim), small_embedding(people + 1, dim)
        self.film = small_embedding(films + 1, film_dim)
        self.count = numbers + len(words) + 2
        """Fields of length `dim`."""
        self.width = self.count * dim + film_dim + numbers

    def learn(self, numbers: np.ndarray, buckets: int) -> None:
        """Boundaries, means and deviations of training rows (p, d)."""
        self.edges = torch.from_numpy(boundaries(numbers, buckets))
        self.mean, self.deviation = (
            torch.from_numpy(part.astype(np.float32)) for part in mean_and_deviation(numbers, np.float64)
        )

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """The fields (p, count, dim), the film's own vector (p, film_dim), standardised numbers (p, d), 0 unknown."""
        fields = [self._bucketed(x.numbers)]
        if x.words.shape[1]:
            fields.append(self.word(x.words + self.offsets))
        fields += [mean_of(self.genre, x.genres)[:, None], mean_of(self.person, x.people)[:, None]]
        return torch.cat(fields, dim=1), self.film(x.candidate), self.standard(x.numbers)

    def _bucketed(self, numbers: Tensor) -> Tensor:
        """The vectors (p, d, dim) of the buckets that the numbers (p, d) lie in."""
        d, dim = len(self.edges), self.bucket.embedding_dim
        # The vector of an unknown number, and for each edge that a number reaches what the next bucket's has more: a
        # product, which is a quarter of the time of looking up. Nothing unknown reaches -inf. Pairs are innermost, as
        # onnxruntime compares fast what is a scalar along the inner axis.
        edges = F.pad(self.edges, (1, 0), value=float("-inf"))
        reached = (numbers.T[:, None] >= edges[:, :, None]).to(numbers.dtype)  # (d, buckets, p)
        vectors = self.bucket.weight.view(d, -1, dim).transpose(1, 2)  # (d, dim, buckets + 1)
        more = (vectors[:, :, 1:] - vectors[:, :, :-1]) @ reached
        return (more.flatten(0, 1).T + vectors[:, :, 0].flatten()).view(-1, d, dim)

    def standard(self, numbers: Tensor) -> Tensor:
        """The numbers (p, d) as `models.encoders.standardised` has them, in what can be exported."""
        plain = torch.where(torch.isnan(numbers), self.mean, numbers)
        return ((plain - self.mean) / self.deviation).clamp(-5, 5)

    def flat(self, x: Inputs) -> Tensor:
        """All of it in one row (p, width)."""
        fields, film, numbers = self(x)
        return torch.cat([fields.flatten(1), film, numbers], dim=1)


def mean_of(table: nn.Embedding, ids: Tensor) -> Tensor:
    """The mean vector of the ids (p, n) that are not 0: (p, dim), zeros where all are."""
    # with zeros for 0 nothing is masked, and onnxruntime sums fast over the outermost axis
    vectors = F.pad(table.weight[1:], (0, 0, 1, 0))
    known = (ids.T > 0).to(vectors.dtype).sum(dim=0)
    return F.embedding(ids.T, vectors).sum(dim=0) / known.clamp(min=1)[:, None]


GAPS = 24
"""Steps of time: a doubling of seconds each."""


class TargetAttention(nn.Module):
    """What of the history speaks for this film. Zhou et al., Deep interest network (KDD 2018), with time gaps.

    The unit that weighs a film watched h against the candidate q is a perceptron of h, q, their product and what was
    rated when. Weights are no softmax, as in the paper: how much was watched may count. Padding gives zeros.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.rating, self.gap = small_embedding(11, dim), small_embedding(GAPS, dim)
        self.of_history, self.of_candidate = nn.Linear(dim, hidden), nn.Linear(dim, hidden, bias=False)
        self.of_product = nn.Linear(dim, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, table: Tensor, x: Inputs, candidate: Tensor) -> Tensor:
        """(p, d): the weighted sum of the history, given the film table and the candidates' vectors (p, d)."""
        known = (x.films > 0).to(candidate.dtype)
        films = F.embedding(x.films, table)
        states = (films + self.rating(x.ratings) + self.gap(doublings(x.times))) * known[:, :, None]  # (u, w, d)
        found = self._of_one(states[0], candidate) if len(states) == 1 else self._of_many(states[x.user], candidate)
        return found / x.films.shape[1]

    def _of_many(self, history: Tensor, candidate: Tensor) -> Tensor:
        """The sum for a history a candidate (p, w, d): what is linear in a film watched is one matrix a candidate."""
        history = F.pad(history, (0, 1), value=1.0)  # (p, w, d + 1), for what a film watched does not change
        matrix = self.of_history.weight.T + candidate[:, :, None] * self.of_product.weight.T  # (p, d, hidden)
        shift = self.of_history.bias + self.of_candidate(candidate)
        hidden = torch.relu(history @ torch.cat([matrix, shift[:, None]], dim=1))
        weights = F.linear(hidden, self.out.weight).squeeze(2) + self.out.bias  # of padding any: its states are zeros
        return (weights[:, None] @ history).squeeze(1)[:, :-1]

    def _of_one(self, history: Tensor, candidate: Tensor) -> Tensor:
        """The same for one history (w, d): what is linear in a candidate is one matrix, and all of it three products.

        Serving asks for one user; this is what is exported.
        """
        matrix = history * self.of_product.weight[:, None] + self.of_candidate.weight[:, None]  # (hidden, w, d)
        shift = self.of_history(history).T.reshape(-1, 1)  # (hidden * w, 1)
        hidden = torch.relu(torch.addmm(shift, matrix.flatten(0, 1), candidate.T))  # (hidden * w, p)
        weights = self.out.weight @ hidden.view(self.out.in_features, -1) + self.out.bias
        return (history.T @ weights.view(len(history), -1)).T


def doublings(seconds: Tensor) -> Tensor:
    """floor(log2(1 + s)) of int64 seconds, GAPS - 1 at most."""
    # by comparing whole numbers, as a logarithm in floats, the exported one above all, is off at some powers of two
    return (seconds[..., None] >= 2 ** torch.arange(1, GAPS, device=seconds.device) - 1).sum(dim=-1)


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
        # A tower is linear and gates sum to one: of each expert it is the same as of their mixture, and less work.
        # Pairs are innermost, as onnxruntime is fast along a long inner axis.
        towers, biases = joined(self.towers)
        said = torch.stack([F.linear(expert(x), towers).T for expert in self.experts], dim=1)  # (tasks, experts, p)
        gates = F.linear(x, *joined(self.gates)).T.view(len(towers), len(self.experts), -1)
        return (torch.softmax(gates, dim=1) * said).sum(dim=1).T + biases


def joined(layers: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """Weights and biases of linear layers over the same input as of one layer."""
    return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
