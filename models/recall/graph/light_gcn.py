"""Graph recall: vectors propagated along who rated what, and who made it.

He et al., LightGCN (SIGIR 2020), with three changes. A user's vector is propagated from their films as of any moment,
so nobody needs an id; lately rated films weigh more; vectors are compared by cosine under a softmax instead of BPR.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore
from torch import Tensor
from torch.nn import functional as F

from models.columns import integers, ragged
from models.dataset import Dataset, Split
from models.ids import Ids
from models.recall.graph.graph import (
    Roots,
    build_graph,
    film_and_message,
    film_layers,
    people_edges,
    pooled,
    user_edges,
)
from models.recall.nn import histories
from models.recall.nn.pasts import Pasts, newest_first
from models.recall.nn.recaller import NeuralRecaller
from models.recall.nn.softmax import full_softmax, sampled_softmax
from models.recall.search.vectors import VectorConfig
from models.training import Batches, Loss, device


class LightGCNConfig(VectorConfig):
    """Configuration of LightGCN."""

    dim: int
    """Width of the vectors."""
    layers: int
    """How often vectors are propagated."""
    people: float
    """Weight of an edge between a film and its director or actor, where a rating's is 1; 0 for no such edges."""
    length: int
    """How many of a user's latest films are propagated to them."""
    recency: float
    """Weight of a user's film: (1 + films rated since) ** -recency; 0 weighs all alike, as the paper does."""
    temperature: float
    """What cosines are divided by in the loss; smaller is sharper."""
    negatives: int
    """Films drawn for a batch's sampled softmax; 0 for the softmax over all films."""
    batch: int
    """Events in a batch; the graph is propagated once for each."""
    judged: int = 2000
    """How many validation events judge an epoch."""


class LightGCN(NeuralRecaller):
    """LightGCN over films, users and people; users are propagated from their history as of any moment."""

    Config = LightGCNConfig
    config: LightGCNConfig
    network: Roots
    messages: np.ndarray
    """(m, d) float32: what each film passes on to the users who have rated it."""

    def prepare(self, data: Dataset, until: Split) -> tuple[Batches, Loss]:
        """Every event against what its user had rated before."""
        c = self.config
        table = data.histories(c.service, until)
        examples = Pasts(self._graph(table, data.catalogue(c.service, until) if c.people else None), c.length)
        self.network = Roots(self.rated, self.people, c.dim)
        return lambda rng: examples.batches(c.batch, rng), lambda rows: self._loss(*examples.take(rows))

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """See VectorRecaller: one vector a user, of length one; a user without any known film is unknown."""
        flat = histories.flatten(users, self.films)
        past = newest_first(flat, histories.latest(flat, self.config.length))
        vectors = pooled(torch.from_numpy(self.messages), torch.from_numpy(past), self.config.recency)
        return F.normalize(vectors, dim=1).numpy()[:, None], past[:, 0] > 0

    def _graph(self, table: pa.Table, catalogue: pa.Table | None) -> histories.Flat:
        """Take the films that have an edge, those rated first, and build the graph; the users' histories."""
        rated = np.unique(ragged(table, "user_seen_movie_ids")[0].astype(np.int64))
        others = np.empty(0, np.int64)
        if catalogue is not None:
            credited = people_edges(catalogue, Ids(integers(catalogue, "movie_id"))).getnnz(axis=1) > 0
            others = np.setdiff1d(integers(catalogue, "movie_id")[credited], rated)
        self.films, self.rated = Ids(np.concatenate([rated, others])), len(rated)
        flat = histories.flatten(table, self.films)
        edges = [user_edges(flat, len(self.films))]
        if catalogue is not None:
            edges.append(self.config.people * people_edges(catalogue, self.films))
        self.users, self.people = edges[0].shape[1], sum(e.shape[1] for e in edges[1:])
        self.graph = build_graph(edges, device())
        return flat

    def _propagated(self) -> tuple[Tensor, Tensor]:
        """Each film's vector to compare by, of length one, and its message, (m, d) each."""
        films = F.pad(self.network.film.weight, (0, 0, 0, len(self.films) - self.rated))
        people = F.pad(self.network.person.weight, (0, 0, self.users, 0)) if self.people else None
        film, message = film_and_message(self.graph, film_layers(self.graph, films, people, self.config.layers))
        return F.normalize(film, dim=1), message

    def _loss(self, past: np.ndarray, targets: np.ndarray) -> Tensor:
        """Softmax loss of the films (b,) that users chose after their past (b, t), among the films that were rated."""
        c = self.config
        films, messages = self._propagated()
        films = films[: self.rated]
        queries = F.normalize(pooled(messages, torch.from_numpy(past).to(device()), c.recency), dim=1) / c.temperature
        target = torch.from_numpy(targets).to(device())
        if not c.negatives:
            return full_softmax(queries, films, target)
        return sampled_softmax(queries, films, target, torch.randint(len(films), (c.negatives,), device=device()))

    @torch.no_grad()
    def reindex(self) -> None:
        """Propagate, and keep the films' vectors and messages."""
        self.network.to(device())  # where the graph is
        films, self.messages = (part.cpu().numpy() for part in self._propagated())
        self.index_films(films)

    def tensors(self) -> dict[str, np.ndarray]:
        """The propagated films: their vectors and their messages; no one needs the graph any more."""
        return {"vectors": self.vectors, "messages": self.messages}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Take the films' vectors and messages back."""
        self.epochs, self.messages = facts["epochs"], tensors["messages"]
        self.index_films(tensors["vectors"])
