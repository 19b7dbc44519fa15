"""The training loop that every network shares: one code path for CPU, CUDA and MPS."""

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from dbt_project.errors import CineFeastError
from models.config import ModelConfig
from models.progress import duration, figure, say

Batches = Callable[[np.random.Generator], Sequence[Any]]
"""The batches of an epoch, drawn anew for each."""
Loss = Callable[[Any], Tensor]
"""The mean loss of a batch."""


class NeuralConfig(ModelConfig):
    """What every trained network's configuration holds."""

    epochs: int
    """At most so many passes; the cosine reaches its end there."""
    patience: int
    """Passes without a better validation after which training stops."""
    learning_rate: float
    """AdamW's largest step, reached after the warm-up."""
    weight_decay: float
    """AdamW's weight decay, on matrices alone."""
    warm_up: float = 0.02
    """The share of all steps in which the learning rate rises from 0; then it falls along a cosine to a hundredth."""
    clip: float = 1.0
    """Gradients are scaled down to this norm."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What matrix products are computed in, where the device multiplies it; else float32. Weights stay float32."""


@dataclass(frozen=True)
class Task:
    """What is trained: batches of an epoch, the loss of one, and how good the network is on validation."""

    batches: Batches
    loss: Loss
    measure: Callable[[], dict[str, float]] | None
    """Validation metrics, the first of which decides; None to run all epochs without any."""
    data: str
    """Identity of the data: a checkpoint of other data is not resumed."""


@dataclass
class Progress:
    """How far training came: what a checkpoint holds beside the weights."""

    epoch: int = 0
    kept: int = 0
    metrics: dict[str, float] | None = None


def device() -> torch.device:
    """CUDA or MPS where there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def multiplies_bfloat16(where: torch.device) -> bool:
    """Whether a device has instructions for products of bfloat16: imitated they take six times those of float32."""
    if where.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return where.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def train(
    network: nn.Module, task: Task, config: NeuralConfig, epochs: int | None = None, run: Path | None = None
) -> tuple[int, dict[str, Any]]:
    """Train `network` in place; the epochs kept and what validation measured then.

    With a measure the best weights by it are kept, and training stops after `patience` epochs without better ones.
    `epochs` ends it earlier than the configuration, on the same learning rates. Below `run` lie TensorBoard's curves
    and a checkpoint of each epoch: killed, the same training goes on after the last one and ends with the same
    weights, as everything random is seeded by configuration and epoch. The checkpoint is removed at the end.

    A loss that is no number ends it with the last good weights, and the metrics say where (`diverged`);
    CineFeastError where there are none.
    """
    training = _Training(network, task, config, run)
    training.resume()
    last = epochs or config.epochs
    started, first = time.monotonic(), training.progress.epoch
    for epoch in range(first + 1, last + 1):
        if training.is_over():
            break
        told = training.epoch(epoch)
        each = (time.monotonic() - started) / (epoch - first)
        most = " at most" if task.measure else ""
        left = f"{duration(each)} an epoch, {duration(each * (last - epoch))} left{most}"
        say(f"{config.name}: epoch {epoch} of {last}{most}: {told}, {left}")
    return training.finish()


class _Training:
    def __init__(self, network: nn.Module, task: Task, config: NeuralConfig, run: Path | None) -> None:
        self.network, self.task, self.config, self.run = network.to(device()), task, config, run
        matrices = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98))
        self.progress = Progress()
        self.best = copy.deepcopy(network.state_dict())
        self.diverged: str | None = None
        self.curves = _curves(run)

    def is_over(self) -> bool:
        """Whether patience has run out, or the loss is no number."""
        waited = self.progress.epoch - self.progress.kept
        return bool(self.diverged) or (bool(self.progress.metrics) and waited >= self.config.patience)

    def epoch(self, epoch: int) -> str:
        """One pass, its validation and its checkpoint; what there is to tell of it."""
        seed = np.random.SeedSequence([self.config.seed, epoch])
        torch.manual_seed(int(seed.generate_state(1)[0]))
        batches = self.task.batches(np.random.default_rng(seed))
        if not len(batches):
            what = f"{self.config.name} has nothing to learn from: no user rated a film after another one"
            raise CineFeastError(what, "cinefeast fetch a data set with the moments of its ratings")
        self.network.train()
        started, losses = time.monotonic(), torch.zeros(len(batches), device=device())
        for nth, batch in enumerate(batches):
            losses[nth] = self._step(batch, (epoch - 1 + nth / len(batches)) / self.config.epochs)
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            self.diverged = f"epoch {epoch}, batch {int(bad[0]) + 1:,} of {len(batches):,}"
            return f"the loss is no number from batch {int(bad[0]) + 1:,} of {len(batches):,} on"
        rate = len(batches) / max(time.monotonic() - started, 1e-9)
        self.progress.epoch = epoch
        found = {"loss": float(losses.mean())} | self._validate()
        if self.curves:
            for name, value in found.items():
                self.curves.add_scalar(name, value, epoch)
            self.curves.add_scalar("learning_rate", self.optimiser.param_groups[0]["lr"], epoch)
        self._checkpoint()
        best = " (the best so far)" if self.task.measure and self.progress.kept == epoch else ""
        return ", ".join(f"{name} {figure(value)}" for name, value in found.items()) + f"{best}, {rate:,.1f} batches/s"

    def _step(self, batch: Any, done: float) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * schedule(done, self.config.warm_up)
        half = self.config.precision == "bfloat16" and multiplies_bfloat16(device())
        with torch.autocast(device().type, torch.bfloat16, enabled=half):
            loss = self.task.loss(batch)
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimiser.step()
        return loss.detach() + 0.0 * norm  # no number where the gradients are none

    def _validate(self) -> dict[str, float]:
        if self.task.measure is None:
            self.progress.kept = self.progress.epoch
            self.best = copy.deepcopy(self.network.state_dict())
            return {}
        self.network.eval()
        with torch.no_grad():
            found = self.task.measure()
        decisive = next(iter(found))
        if not self.progress.metrics or found[decisive] > self.progress.metrics[decisive]:
            self.progress.kept, self.progress.metrics = self.progress.epoch, found
            self.best = copy.deepcopy(self.network.state_dict())
        return found

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Put the best weights in place; drop the checkpoint."""
        if self.diverged:
            if not self.progress.kept:
                what = f"{self.config.name}: the loss is no number in {self.diverged}: nothing was learned"
                raise CineFeastError(what, f"lower learning_rate in models/configs/{self.config.name}.toml")
            say(f"{self.config.name}: stopped; the weights of epoch {self.progress.kept} are kept")
        if self.progress.metrics or self.diverged:
            self.network.load_state_dict(self.best)
        self.network.eval().cpu()
        if self.curves:
            self.curves.close()
        if self.run:
            (self.run / "checkpoint.pt").unlink(missing_ok=True)
        found: dict[str, Any] = {f"validation_{name}": value for name, value in (self.progress.metrics or {}).items()}
        if self.diverged:
            found |= {"diverged": self.diverged}
        return self.progress.kept, found | ({"epochs": self.progress.kept} if found else {})

    def _identity(self) -> str:
        return f"{self.config.model_dump_json()} {self.task.data}"

    def _checkpoint(self) -> None:
        if not self.run:
            return
        building = self.run / f"checkpoint.{os.getpid()}.building"
        torch.save(
            {
                "identity": self._identity(), "progress": vars(self.progress), "best": self.best,
                "network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(),
            },
            building,
        )  # fmt: skip
        building.replace(self.run / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint of the same configuration and data, if there is one."""
        path = self.run / "checkpoint.pt" if self.run else None
        if path is None or not path.exists():
            return
        held = torch.load(path, map_location=device(), weights_only=True)
        if held["identity"] != self._identity():
            return
        self.progress, self.best = Progress(**held["progress"]), held["best"]
        self.network.load_state_dict(held["network"])
        self.optimiser.load_state_dict(held["optimiser"])


def schedule(done: float, warm_up: float) -> float:
    """The learning rate's factor when the share `done` of all steps is done: up a line, down a cosine to 0.01."""
    if done < warm_up:
        return done / warm_up
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def _curves(run: Path | None) -> Any:
    if run is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    run.mkdir(parents=True, exist_ok=True)
    return SummaryWriter(str(run))
