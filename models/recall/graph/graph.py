"""The graph of films, their users and their people, and LightGCN's propagation over it.

Films stand on one side, users and people on the other: every edge joins the two sides. He et al., LightGCN (SIGIR
2020): E(l+1) = D^-1/2 A D^-1/2 E(l), no weights in between. Users have no vector of their own at layer 0; in the
spirit of Wu et al., INMO: inductive collaborative filtering (SIGIR 2022), all that is known of a user is the films of
their history, so one whom training never saw is propagated to alike.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from models.columns import integers, ragged
from models.ids import Ids
from models.recall.nn.histories import Flat


class Graph(NamedTuple):
    """The normalised edges, both ways."""

    to_films: Tensor
    """(m, o) sparse CSR: D^-1/2 A D^-1/2 from users and people to films."""
    to_others: Tensor
    """(o, m) sparse CSR: its transpose."""
    share: Tensor
    """(m,) float32: 1 / sqrt(degree) of each film; 0 without an edge."""


class Roots(nn.Module):
    """The learned vectors, of layer 0: films' that were rated, and people's."""

    def __init__(self, films: int, people: int, dim: int) -> None:
        super().__init__()
        self.film = nn.Embedding(films, dim)
        self.person = nn.Embedding(people, dim)
        for table in (self.film, self.person):
            nn.init.normal_(table.weight, std=0.1)


def user_edges(flat: Flat, films: int) -> sparse.csr_matrix:
    """Films to the users who have rated them (m, n): 1, however often."""
    n = len(flat.offsets) - 1
    user = np.repeat(np.arange(n), np.diff(flat.offsets))
    return _once(flat.films - 1, user, (films, n))


def people_edges(catalogue: pa.Table, films: Ids) -> sparse.csr_matrix:
    """Films to their directors and leading actors (m, p): 1, whatever the roles."""
    rows = films.rows(integers(catalogue, "movie_id"))
    film, person = [], []
    for name in ("movie_director_ids", "movie_cast_ids"):
        ids, offsets = ragged(catalogue, name)
        film.append(np.repeat(rows, np.diff(offsets)))
        person.append(ids.astype(np.int64))
    known, column = np.unique(np.concatenate(person), return_inverse=True)
    row = np.concatenate(film)
    return _once(row[row >= 0], column[row >= 0], (len(films), len(known)))


def build_graph(edges: list[sparse.csr_matrix], device: torch.device) -> Graph:
    """The graph of weighted edges (m, o) between films and others, side by side; a node's degree is the sum of its
    edges' weights."""
    adjacency = sparse.hstack(edges).tocsr()
    film, other = (_inverse_root(np.asarray(adjacency.sum(axis=axis)).ravel()) for axis in (1, 0))
    normal = sparse.csr_matrix(sparse.diags(film) @ adjacency @ sparse.diags(other))
    transpose = sparse.csr_matrix(normal.T)
    return Graph(
        _tensor(normal, device), _tensor(transpose, device), torch.from_numpy(film.astype(np.float32)).to(device)
    )


def film_layers(graph: Graph, films: Tensor, people: Tensor | None, layers: int) -> list[Tensor | None]:
    """The films' vectors E(0) ... E(layers), (m, d) each, None where they are all zero.

    `films` (m, d) are theirs at layer 0; `people` (o, d) those of the other side, None if all are zero: then films
    have a vector in every second layer alone.
    """
    found: list[Tensor | None] = [films]
    here: Tensor | None = films
    there = people
    for _ in range(layers):
        here, there = (
            None if there is None else _Product.apply(there, graph.to_films, graph.to_others),
            None if here is None else _Product.apply(here, graph.to_others, graph.to_films),
        )
        found.append(here)
    return found


def film_and_message(graph: Graph, layers: list[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Two vectors a film (m, d): what it is compared by, and what it passes on to each user who has rated it.

    The first is the mean of its layers. A user's layer l + 1 is the normalised sum of their films' layer l, so the
    mean of a user's layers is the sum of their films' second vectors over the root of the user's own degree.
    """
    share = 1 / len(layers)
    film, message = (
        share * torch.stack([layer for layer in some if layer is not None]).sum(dim=0) for some in (layers, layers[:-1])
    )
    return film, message * graph.share[:, None]


def pooled(messages: Tensor, past: Tensor, recency: float) -> Tensor:
    """Users' vectors (b, d): the sum of the messages of the films (b, t) of their past over the root of the degree.

    Films come newest first, as rows shifted by one, 0 for none. An edge weighs (1 + films since) ** -recency.
    """
    weight = (1.0 + torch.arange(past.shape[1], device=past.device)) ** -recency * (past > 0)
    summed = F.embedding_bag((past - 1).clamp(min=0), messages, per_sample_weights=weight, mode="sum")
    return summed / weight.sum(dim=1, keepdim=True).clamp(min=1e-9).sqrt()


class _Product(torch.autograd.Function):
    """Sparse matrix times vectors. The transpose is at hand, so that the gradient is as fast a product."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, matrix: Tensor, transpose: Tensor) -> Tensor:
        ctx.transpose = transpose
        with torch.autocast(vectors.device.type, enabled=False):
            return matrix @ vectors.float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transpose @ gradients[0].contiguous(), None, None


def _inverse_root(degree: np.ndarray) -> np.ndarray:
    return np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-12)), 0.0)


def _once(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape)
    matrix.data[:] = 1.0
    return matrix


def _tensor(matrix: sparse.csr_matrix, device: torch.device) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR layout a beta
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)), torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)), matrix.shape, device=device,
        )  # fmt: skip
