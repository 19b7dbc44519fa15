"""Sequence recall: a causal Transformer over all that a user has rated, in order."""

from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore
from torch import Tensor
from torch.nn import functional as F

from dbt_project.errors import CineFeastError
from models import onnx
from models.columns import integers, ragged
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.nn import histories
from models.recall.nn.film_facts import Fact, film_facts
from models.recall.nn.histories import Histories
from models.recall.nn.recaller import NeuralRecaller
from models.recall.nn.softmax import full_softmax, sampled_softmax
from models.recall.search.vectors import VectorConfig
from models.recall.sequence.transformer import CausalTransformer
from models.training import Batches, Loss, device
from models.weights import take_weights, weights_of

FILM_VECTORS = "film.weight"
"""The films' own vectors among the weights."""
USERS_AT_ONCE = 128
"""Users whose vectors are worked out together: attention holds a square of the history's length for each."""


class SequenceConfig(VectorConfig):
    """Configuration of the sequence model."""

    length: int
    """How many of a user's latest events are looked at."""
    dim: int
    """Width of the vectors."""
    heads: int
    """Attention heads."""
    blocks: int
    """Transformer blocks."""
    inner: int
    """Width inside the perceptrons."""
    dropout: float
    """Dropout after attention and perceptron."""
    input_dropout: float
    """Dropout on the inputs."""
    film_facts: list[Fact]
    """What is known of films that adds to their vectors."""
    ratings: bool
    """Whether the rating given is an input."""
    gaps: bool
    """Whether time between events is an input and a bias of attention."""
    calendar: bool
    """Whether the hour and weekday of the question are inputs."""
    negatives: int
    """Films drawn for a batch's sampled softmax; 0 for the softmax over all films."""
    unseen: bool
    """Whether a film is told apart from those not yet seen alone, as answers leave out what was seen; a sample of films
    (`negatives`) hits too few that were for it to matter, and is taken as it is."""
    temperature: float
    """What cosines are divided by in the loss; 0 compares by plain inner products."""
    positions: int
    """Events in a batch, padding included."""
    judged: int = 2000
    """How many validation events judge an epoch."""


class Sequence(NeuralRecaller):
    """Self-attention over the history, trained to name the next film at every position of it."""

    Config = SequenceConfig
    EXTRA: ClassVar[tuple[str, ...]] = (onnx.FILE,)
    config: SequenceConfig
    network: CausalTransformer

    def prepare(self, data: Dataset, until: Split) -> tuple[Batches, Loss]:
        """Every user's history, cut into windows."""
        c = self.config
        table = data.histories(c.service, until)
        self.films = Ids(np.unique(ragged(table, "user_seen_movie_ids")[0]))
        self.network = self.build(self._facts(data, until))
        flat = histories.flatten(table, self.films)
        return lambda rng: histories.batches(flat, c.length, c.positions, rng), lambda cut: self.loss(flat, cut)

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """See VectorRecaller: the vector at each history's last event; a user without any known film is unknown."""
        flat = histories.flatten(users, self.films)
        last = histories.latest(flat, self.config.length)
        size = last[:, 1] - last[:, 0]
        vectors = np.zeros((users.num_rows, 1, self.config.dim), np.float32)
        where = next(self.network.parameters()).device
        by_size = np.argsort(size, kind="stable")  # little padding
        with torch.inference_mode():
            for some in np.split(by_size, range(USERS_AT_ONCE, len(by_size), USERS_AT_ONCE)):
                at = torch.from_numpy(np.maximum(size[some] - 1, 0)).to(where)
                vectors[some, 0] = self._last(histories.gather(flat, last[some], where), at)
        if self.config.temperature:
            faiss.normalize_L2(vectors[:, 0])
        return vectors, size > 0

    def _last(self, held: Histories, at: Tensor) -> np.ndarray:
        if self.session is None or len(at) > 1:
            found: np.ndarray = self.network.last(held, self.table, at).float().cpu().numpy()
            return found
        given = {**held._asdict(), "at": at, "films_table": self.table}
        return self.session({name: part.numpy() for name, part in given.items()})

    def loss(self, flat: histories.Flat, cut: np.ndarray) -> Tensor:
        """Mean loss over what is predicted in windows (b, 2) of the histories."""
        where = device()
        table = self.network.films()
        held = histories.gather(flat, cut, where)
        hidden = self.network(held, table)  # (b, t, d)
        window, place, film = histories.targets(flat, cut, where)
        queries, films = self._compared(hidden[window, place]), self._compared(table[1:])
        if self.config.temperature:
            queries = queries / self.config.temperature
        if not self.config.negatives:
            seen = histories.seen(held.films, window, place) - 1 if self.config.unseen else None
            return full_softmax(queries, films, film - 1, seen)
        drawn = torch.randint(len(films), (self.config.negatives,)).to(where)
        return sampled_softmax(queries, films, film - 1, drawn)

    def build(self, facts: np.ndarray) -> CausalTransformer:
        """An untrained network for films of which `facts` (m, w) are known."""
        c = self.config
        widest = -(-c.length // histories.ROUND) * histories.ROUND
        return CausalTransformer(
            facts=torch.from_numpy(facts), length=widest, dim=c.dim, heads=c.heads, blocks=c.blocks, inner=c.inner,
            dropout=c.dropout, input_dropout=c.input_dropout, ratings=c.ratings, gaps=c.gaps, calendar=c.calendar,
        )  # fmt: skip

    @torch.no_grad()
    def reindex(self) -> None:
        """Keep the film table of the weights as they are, too: neither is worked out anew for a request."""
        self.table = self.network.films()
        self.index_films(self._compared(self.table[1:]).float().cpu().numpy())

    def refreshed(self, data: Dataset) -> Self:
        """The same weights over all films that are known at the newest rating: one that is new is what its facts say.

        CineFeastError where facts have come to be of another kind than those that were learned from.
        """
        c, weights = self.config, self.network.state_dict()
        if not c.film_facts:
            return self
        model = type(self)(c)
        model.provenance, model.metrics, model.epochs = self.provenance, self.metrics, self.epochs
        known = integers(data.catalogue(c.service, SPLITS[-1]), "movie_id")
        new = known[self.films.rows(known) < 0]
        model.films = Ids(np.concatenate([self.films.values, new]))
        facts = model._facts(data, SPLITS[-1])
        if facts.shape[1] != self.network.facts.shape[1]:
            what = f"films have {facts.shape[1]} facts, where {c.name} learned from {self.network.facts.shape[1]}"
            raise CineFeastError(what, "cinefeast train && cinefeast train --final")
        model.network = model.build(facts).eval()
        own = F.pad(weights[FILM_VECTORS], (0, 0, 0, len(new)))
        model.network.load_state_dict(weights | {FILM_VECTORS: own, "facts": torch.from_numpy(facts)})
        model.reindex()
        return model

    def _facts(self, data: Dataset, until: Split) -> np.ndarray:
        c = self.config
        if not c.film_facts:
            return np.zeros((len(self.films), 0), np.float32)
        return film_facts(data.catalogue(c.service, until), self.films, c.film_facts)

    def _compared(self, vectors: Tensor) -> Tensor:
        """Vectors (..., d) as they are compared: of length one where cosines are."""
        return F.normalize(vectors, dim=-1) if self.config.temperature else vectors

    def tensors(self) -> dict[str, np.ndarray]:
        """The network's weights; the film table and the films' facts are among them."""
        return weights_of(self.network)

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the network and the index from what was saved."""
        self.epochs = facts["epochs"]
        self.network = self.build(tensors["facts"])
        take_weights(self.network, tensors)
        self.reindex()

    def save_parts(self, folder: Path) -> None:
        """The network as ONNX: one history of any length, and the film table, which is not written twice."""
        history = Histories(*(torch.ones(1, histories.ROUND, dtype=torch.long) for _ in Histories._fields))
        example = {**history._asdict(), "at": torch.tensor([0]), "films_table": self.table}
        axes = {name: {1: "events"} for name in Histories._fields}

        def ask(*inputs: Tensor) -> Tensor:
            *columns, at, table = inputs
            return self.network.last(Histories(*columns), table, at)

        onnx.export(self.network, ask, example, folder / onnx.FILE, axes)

    def load_parts(self, folder: Path) -> None:
        """Take it back."""
        self.session = onnx.Session(folder / onnx.FILE)
