"""The two towers, in PyTorch: feature fields, gated, through a perceptron into one space.

Yi et al., Sampling-bias-corrected neural modeling (RecSys 2019); the gates are SENet's as in Huang et al., FiBiNET
(RecSys 2019). A tower's vector is what its perceptron adds to its main field: a film's id, a user's history.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.recall.nn.context import GAPS, HOURS, WEEKDAYS
from models.recall.nn.encoders import Encoder, encoder


class UserInputs(NamedTuple):
    """A batch of users. Id rows are shifted by one: 0 is unknown or nothing."""

    id: Tensor
    """(b,) int64 rows of the user table."""
    history: Tensor
    """(b, w) int rows of the film table, newest last, 0 padding."""
    genres: Tensor
    """(b, gu) float32, likings by genre."""
    statistics: Tensor
    """(b, su) float32."""
    context: Tensor
    """(b, 3) int64: hour, weekday, gap."""


class FilmInputs(NamedTuple):
    """A batch of films; id 0 is a film unknown in training."""

    id: Tensor
    """(n,) int64 rows of the film table."""
    genres: Tensor
    """(n, g) float32, one-hot."""
    people: Tensor
    """(n, kinds, p) int rows of the table of people, 0 padding."""
    text: Tensor
    """(n, e) float32."""
    statistics: Tensor
    """(n, sf) float32."""


class Sizes(NamedTuple):
    """How wide the inputs are; a width of 0 leaves its field out."""

    users: int
    user_genres: int
    user_statistics: int
    context: bool
    films: int
    film_genres: int
    kinds: int
    people: int
    text: int
    film_statistics: int


class Shape(NamedTuple):
    """How the towers are built: the configuration's fields of the same names."""

    dim: int
    hidden: int
    history: Encoder
    window: int
    heads: int
    layers: int
    senet: bool
    dropout: float
    id_dropout: float
    normalise: bool


class Towers(nn.Module):
    """A user vector and a film vector in one space; the user's history shares the film tower's id table."""

    def __init__(self, sizes: Sizes, shape: Shape) -> None:
        super().__init__()
        self.sizes, self.shape = sizes, shape
        dim = shape.dim
        self.film_id = table(sizes.films, dim)
        self.history = encoder(shape.history, dim, shape.window, shape.heads, shape.layers, shape.dropout)
        self.user_id = table(sizes.users, dim) if sizes.users else None
        self.context = nn.ModuleList(nn.Embedding(n, dim) for n in (HOURS, WEEKDAYS, GAPS) if sizes.context)
        for parameter in self.context.parameters():
            nn.init.normal_(parameter, std=0.05)
        self.user_dense = dense([sizes.user_genres, sizes.user_statistics], dim)
        self.film_dense = dense([sizes.film_genres, sizes.text, sizes.film_statistics], dim)
        self.people = nn.ModuleList(bag(sizes.people, dim) for _ in range(sizes.kinds))
        self.user = Tower(1 + bool(sizes.users) + sizes.context + len(self.user_dense), shape)
        self.film = Tower(1 + sizes.kinds + len(self.film_dense), shape)
        self.rating = nn.Sequential(nn.Linear(2 * dim, shape.hidden), nn.ReLU(), nn.Linear(shape.hidden, 1))

    def films(self, films: FilmInputs) -> Tensor:
        """Film vectors (n, d)."""
        ids = self.film_id(self._forget(films.id))
        fields = [ids]
        fields += [people(films.people[:, kind]) for kind, people in enumerate(self.people)]
        known = [part for part in (films.genres, films.text, films.statistics) if part.shape[1]]
        fields += [layer(part) for layer, part in zip(self.film_dense, known, strict=True)]
        return self._out(ids + self.film(torch.stack(fields, dim=1)))

    def users(self, users: UserInputs) -> Tensor:
        """User vectors (b, d)."""
        films = self.film_id(users.history.T.contiguous()).transpose(0, 1)  # (b, w, d), laid out as the mean wants it
        past = self.history(films, users.history > 0)
        fields = [past]
        if self.user_id is not None:
            fields.append(self.user_id(self._forget(users.id)))
        if self.sizes.context:
            fields.append(sum(part(users.context[:, i]) for i, part in enumerate(self.context)))
        known = [part for part in (users.genres, users.statistics) if part.shape[1]]
        fields += [layer(part) for layer, part in zip(self.user_dense, known, strict=True)]
        return self._out(past + self.user(torch.stack(fields, dim=1)))

    def ratings(self, users: Tensor, films: Tensor) -> Tensor:
        """The rating, standardised, that each user (b, d) would give the film (b, d) beside them: (b,)."""
        found: Tensor = self.rating(torch.cat([users, films], dim=1))
        return found[:, 0]

    def _forget(self, ids: Tensor) -> Tensor:
        """Hide ids at random in training, so that the vectors of unknown ids are trained too."""
        if not self.training or self.shape.id_dropout == 0:
            return ids
        return ids * (torch.rand(ids.shape, device=ids.device) >= self.shape.id_dropout)

    def _out(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=1) if self.shape.normalise else vectors


class Tower(nn.Module):
    """Fields (b, f, d), gated or not, through a two-layer perceptron to (b, d)."""

    def __init__(self, fields: int, shape: Shape) -> None:
        super().__init__()
        self.gate = SENet(fields) if shape.senet else nn.Identity()
        self.perceptron = nn.Sequential(
            nn.Linear(fields * shape.dim, shape.hidden), nn.ReLU(), nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.dim),
        )  # fmt: skip

    def forward(self, fields: Tensor) -> Tensor:
        """(b, f, d) to (b, d)."""
        out: Tensor = self.perceptron(self.gate(fields).flatten(1))
        return out


class SENet(nn.Module):
    """A gate a field, set by what all fields of the row hold. Huang et al., FiBiNET (RecSys 2019).

    Their second ReLU is a sigmoid here, times two: a field starts at weight one and none is lost for good.
    """

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(fields, fields)
        self.excite = nn.Linear(fields, fields)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def gates(self, fields: Tensor) -> Tensor:
        """Weights (b, f) between 0 and 2 of the fields (b, f, d)."""
        return 2 * torch.sigmoid(self.excite(F.relu(self.squeeze(fields.mean(dim=2)))))

    def forward(self, fields: Tensor) -> Tensor:
        """The fields (b, f, d), weighted."""
        return fields * self.gates(fields)[:, :, None]


def table(rows: int, dim: int) -> nn.Embedding:
    """Vectors of ids 1 to `rows`; id 0 is zeros and stays so."""
    made = nn.Embedding(rows + 1, dim, padding_idx=0)
    started(made.weight)
    return made


def bag(rows: int, dim: int) -> nn.EmbeddingBag:
    """The mean vector of a row's ids other than 0; zeros where there is none."""
    made = nn.EmbeddingBag(rows + 1, dim, mode="mean", padding_idx=0)
    started(made.weight)
    return made


def started(weight: Tensor) -> None:
    """Small random vectors, but for row 0."""
    with torch.no_grad():
        weight.normal_(std=0.05)
        weight[0].zero_()


def dense(widths: list[int], dim: int) -> nn.ModuleList:
    """A matrix to `dim` for each block of numbers that is not empty."""
    return nn.ModuleList(nn.Linear(width, dim) for width in widths if width)
