"""Rankers that are networks: one way to train, to keep and to score them."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from feast import FeatureStore
from torch import Tensor, nn
from torch.nn import functional as F

from models import onnx
from models.rank.base import Ranker
from models.rank.config import NetworkConfig
from models.rank.encoding import Batch
from models.rank.networks.onnx import export_ranker
from models.rank.networks.parts import Fields, Inputs, tensors
from models.rank.samples.pairs import Pairs
from models.rank.samples.samples import Samples
from models.training import Task, device, train
from models.weights import PREFIX, take_weights, weights_of

SLICE = 8192
"""Pairs scored at once: memory is that of their histories."""


class RankingNetwork(nn.Module):
    """A network over Fields with one output a task: a logit, and for a second task what a rating is above the mean."""

    fields: Fields
    log_variance: nn.Parameter
    """A number a task; what a task counts is learned with the rest."""
    mean_rating: Tensor

    def __init__(self, fields: Fields, tasks: int) -> None:
        super().__init__()
        self.fields, self.tasks = fields, tasks
        self.log_variance = nn.Parameter(torch.zeros(tasks))
        self.register_buffer("mean_rating", torch.tensor(0.0))


class NetworkRanker(Ranker):
    """A ranker that is a RankingNetwork."""

    EXTRA: ClassVar[tuple[str, ...]] = (onnx.FILE,)
    config: NetworkConfig
    session: onnx.Session | None = None

    @abstractmethod
    def network_of(self, fields: Fields) -> RankingNetwork:
        """The untrained network over these fields."""

    def learn(self, learn: Samples, check: Samples) -> dict[str, Any]:
        """Train; the loss of the held-out groups stops it."""
        batch, ratings = self.encoder(learn.pairs), torch.from_numpy(learn.rating)
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            self.network = self._build()
            self.network.fields.learn(batch.numbers, self.config.buckets)
            self.network.mean_rating.fill_(float(ratings.mean()))
            task = Task(
                batches=lambda rng: np.array_split(
                    rng.permutation(learn.groups), max(1, learn.groups // self.config.batch)
                ),
                loss=lambda groups: self._loss(groups, batch, learn.size, ratings),
                measure=self._measure(check) if check.groups else None,
                data=f"{learn.groups} groups of {learn.size}",
            )
            epochs, metrics = train(self.network, task, self.config, self.passes, self.run)
        return {**metrics, "epochs": epochs}

    def _build(self) -> RankingNetwork:
        e, c = self.encoder, self.config
        fields = Fields(
            len(e.names), c.buckets, e.words, e.genres, len(e.people), len(e.films), c.field_dim, c.film_dim
        )
        return self.network_of(fields)

    def _loss(self, groups: np.ndarray, batch: Batch, size: int, ratings: Tensor) -> Tensor:
        """Softmax and logloss of the positive among its group, and the rating's squared error, by uncertainty."""
        rows = (groups[:, None] * size + np.arange(size)).ravel()
        inputs = Inputs(*(part.to(device()) for part in tensors(batch.take(rows))))
        out = self.network(inputs).view(len(groups), size, -1)
        losses = [watch_loss(out[:, :, 0], self.config.listwise)]
        if self.network.tasks > 1:
            wanted = ratings[torch.from_numpy(groups)].to(device()) - self.network.mean_rating
            losses.append(0.5 * F.mse_loss(out[:, 0, 1], wanted))
        return weighted(torch.stack(losses), self.network.log_variance)

    def _measure(self, check: Samples) -> Any:
        batch = self.encoder(check.pairs)

        def measure() -> dict[str, float]:
            scores = torch.from_numpy(self.outputs(batch)[:, 0]).view(check.groups, -1)
            return {"log_share": float(torch.log_softmax(scores, dim=1)[:, 0].mean())}

        return measure

    @torch.no_grad()
    def by_torch(self, batch: Batch) -> np.ndarray:
        """(p, tasks) by eager PyTorch."""
        place = next(self.network.parameters()).device
        found: np.ndarray = self.network(Inputs(*(part.to(place) for part in tensors(batch)))).cpu().numpy()
        return found

    def by_session(self, batch: Batch) -> np.ndarray:
        """(p, tasks) by onnxruntime, for pairs of one user."""
        assert self.session
        return self.session(batch._asdict())

    def outputs(self, batch: Batch) -> np.ndarray:
        """(p, tasks) by onnxruntime for one user where the network was exported, else by PyTorch; a slice at a time."""
        way = self.by_session if self.session and len(batch.films) == 1 else self.by_torch
        if len(batch.user) <= SLICE:
            return way(batch)
        parts = np.array_split(np.arange(len(batch.user)), -(-len(batch.user) // SLICE))
        return np.concatenate([way(batch.take(rows)) for rows in parts])

    def scores_of(self, batch: Batch) -> np.ndarray:
        """The first task's logits."""
        return self.outputs(batch)[:, 0]

    def ratings(self, pairs: Pairs) -> np.ndarray | None:
        """The second task's, within what can be given; None without one."""
        if self.network.tasks < 2:
            return None
        return np.clip(float(self.network.mean_rating) + self.outputs(self.encoder(pairs))[:, 1], 0.5, 5.0)

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights, boundaries and the calibration."""
        return weights_of(self.network, PREFIX) | self.calibration.tensors()

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the network from what was saved."""
        super().restore(tensors, facts, store)
        self.network = self._build()
        take_weights(self.network, tensors, PREFIX)

    def save_parts(self, folder: Path) -> None:
        """The network as ONNX, which serving scores with."""
        export_ranker(self.network, self.config.inputs.window, folder / onnx.FILE)

    def load_parts(self, folder: Path) -> None:
        """Take it back."""
        self.session = onnx.Session(folder / onnx.FILE)


def watch_loss(logits: Tensor, listwise: float) -> Tensor:
    """Loss of groups (g, size) with the positive first: softmax over the group, and logloss of each film alone."""
    positive = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    label = F.one_hot(positive, logits.shape[1]).to(logits.dtype)
    softmax, single = F.cross_entropy(logits, positive), F.binary_cross_entropy_with_logits(logits, label)
    return listwise * softmax + (1 - listwise) * single


def weighted(losses: Tensor, log_variance: Tensor) -> Tensor:
    """Sum of losses / variance + log of the deviation. Kendall et al., Multi-task learning using uncertainty (2018)."""
    return (torch.exp(-log_variance) * losses + 0.5 * log_variance).sum() if len(losses) > 1 else losses[0]
