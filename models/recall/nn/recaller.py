"""Channels that are networks: one way to train them."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import nn

from models.dataset import Dataset, Split
from models.recall.nn.check import early_stopping_metrics, validation_check
from models.recall.search.vectors import VectorRecaller
from models.training import Batches, Loss, Task, train

JUDGED = 2000
"""How many validation events judge an epoch where the configuration does not say."""


class NeuralRecaller(VectorRecaller):
    """A channel that is a network over films and histories. Subclasses say what it is and what it learns from."""

    DECISIVE: ClassVar[str] = "ndcg@10"
    """The validation metric that stops training and by which weights are kept."""
    network: nn.Module
    epochs: int | None = None
    """How many passes were best, once that is known."""

    @abstractmethod
    def prepare(self, data: Dataset, until: Split) -> tuple[Batches, Loss]:
        """Take the films and build `network`; what it learns from what happened up to `until`."""

    @abstractmethod
    def reindex(self) -> None:
        """Index the films by the weights as they are."""

    def fit(self, data: Dataset, until: Split) -> None:
        """Train on what happened up to `until`, then index the films.

        Up to `train`, training stops early by what validation events are answered, and keeps the best weights; further
        on it runs for as many epochs as that took (see `refit`), or the configured number.
        """
        c = self.config
        most = getattr(c, "judged", JUDGED)
        check = validation_check(data, c.service, c.seed, most) if until == "train" else None

        def measure() -> dict[str, float]:
            assert check
            self.reindex()
            found = early_stopping_metrics(self, check)
            return {self.DECISIVE: found.pop(self.DECISIVE)} | found

        with torch.random.fork_rng():
            torch.manual_seed(c.seed)
            batches, loss = self.prepare(data, until)
            task = Task(batches, loss, measure if check else None, f"{data.data_hash} {data.protocol} {until}")
            self.epochs, self.metrics = train(self.network, task, c, self.epochs, self.run)
        self.reindex()
        self.came_from(data, until)

    def refit(self, data: Dataset, until: Split) -> Self:
        """A new model, trained up to `until` for as many epochs as were best here."""
        model = type(self)(self.config)
        model.epochs, model.run = self.epochs, self.run and self.run.with_name(until)
        model.fit(data, until)
        model.metrics = self.metrics | model.metrics
        return model

    def refreshed(self, data: Dataset) -> Self:
        """This model: what its films are is in its weights."""
        return self

    def facts(self) -> dict[str, Any]:
        """The epochs trained."""
        return {"epochs": self.epochs}
