"""DCN-V2: explicit crosses of features beside a deep part. Wang et al., DCN V2 (WWW 2021), arXiv:2008.13535."""

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore
from torch import Tensor, nn

from models.artifacts import Model
from models.config import ModelConfig
from models.dataset import Dataset, Split
from models.rank.features import PairFeatures
from models.rank.samples import Samples
from models.rank.training import train


class DCNConfig(ModelConfig):
    """Configuration of the DCN-V2 ranker."""

    user_counts: list[str]
    """User features that enter as log(1 + x), standardised."""
    user_numbers: list[str]
    """User features that enter standardised."""
    user_genres: list[str]
    """User features that are lists with a number a genre."""
    film_counts: list[str]
    """Film features that enter as log(1 + x), standardised."""
    film_numbers: list[str]
    """Film features that enter standardised."""
    crossed: list[str]
    """Features of the on-demand view user_movie_cross."""
    cross_user: list[str]
    """User features that the on-demand view reads."""
    cross_film: list[str]
    """Film features that the on-demand view reads."""
    crosses: int
    """Cross layers."""
    hidden: list[int]
    """Widths of the deep part's layers."""
    dropout: float
    """Dropout in the deep part."""
    negatives: int
    """Films of the recall pool that the user did not go on to rate, for each one that they did."""
    events: int
    """At most so many events of the validation window, the latest."""
    batch: int
    """Events in a batch, each with its film and its negatives."""
    epochs: int
    """At most so many passes."""
    patience: int
    """Passes without a better logloss after which training stops."""
    learning_rate: float
    """AdamW's step."""
    weight_decay: float
    """AdamW's weight decay."""


class CrossLayer(nn.Module):
    """x_{l+1} = x_0 * (W x_l + b) + x_l, W of full rank (equation 1 of the paper). (b, d) -> (b, d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        crossed: Tensor = first * self.linear(x) + x
        return crossed


class DCNNetwork(nn.Module):
    """Crosses and deep part in parallel, one logit out. (b, d) -> (b,)."""

    def __init__(self, width: int, crosses: int, hidden: list[int], dropout: float) -> None:
        super().__init__()
        self.crosses = nn.ModuleList(CrossLayer(width) for _ in range(crosses))
        layers: list[nn.Module] = []
        for before, after in zip([width, *hidden], hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.deep = nn.Sequential(*layers)
        self.out = nn.Linear(width + (hidden[-1] if hidden else width), 1)

    def forward(self, first: Tensor) -> Tensor:
        x = first
        for layer in self.crosses:
            x = layer(first, x)
        logit: Tensor = self.out(torch.cat([x, self.deep(first)], dim=1)).squeeze(1)
        return logit


class DCN(Model):
    """DCN-V2 ranker: the probability that a candidate is what the user rates next, among candidates of recall."""

    Config = DCNConfig
    config: DCNConfig
    features: PairFeatures
    channels: list[str]

    def fit(self, data: Dataset, samples: Samples, channels: list[str], until: Split) -> None:
        """Train on samples of the validation window; the later fifth of its events stops the training early."""
        self.channels = channels
        self.features = samples.features
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            self.network = self._network()
            self.metrics = train(self.network, samples, self.config)
        self.came_from(data, until)

    @torch.no_grad()
    def score(
        self, users: pa.Table, films: pa.Table, user: np.ndarray, film: np.ndarray, recall: np.ndarray
    ) -> np.ndarray:
        """Logits (p,) of pairs of rows of the two tables, `recall` (p, r) being what recall says of each."""
        crossed = self.features.crossed(users, films, user, film)
        rows = self.features(users, films, user, film, recall, crossed)
        self.network.eval()
        return self.network(torch.from_numpy(rows)).numpy()

    def _network(self) -> DCNNetwork:
        return DCNNetwork(self.features.width, self.config.crosses, self.config.hidden, self.config.dropout)

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights and normalisation."""
        weights = {f"network.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        return weights | self.features.tensors()

    def facts(self) -> dict[str, Any]:
        """The number of genres and the channels whose ranks the ranker reads."""
        return {"genres": self.features.genres, "channels": self.channels}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the network from what was saved."""
        self.channels = facts["channels"]
        self.features = PairFeatures(self.config, self.channels, store)
        self.features.restore(tensors, facts["genres"])
        self.network = self._network()
        weights = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
