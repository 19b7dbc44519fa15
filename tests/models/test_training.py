"""The training loop on a network of one weight or a few, where every step can be followed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbt_project.errors import CineFeastError
from models import training
from models.training import NeuralConfig, Task, device, schedule, train

CONFIG = NeuralConfig(
    name="line", service="none", epochs=6, patience=2, learning_rate=0.05, weight_decay=0.01, warm_up=0.25
)
TRUTH = torch.tensor([2.0, -1.0, 0.5])


class Line(nn.Module):
    """Three weights to be found, with dropout to draw random numbers in training."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.out = nn.Linear(3, 1, bias=False)
        self.dropout = nn.Dropout(0.1)

    def loss(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(device())
        return (self.out(self.dropout(inputs))[:, 0] - inputs @ TRUTH.to(device())).square().mean()


def batches(rng: np.random.Generator) -> list[Tensor]:
    return [torch.from_numpy(rng.normal(size=(8, 3))).float() for _ in range(4)]


def line(measure: Callable[[], dict[str, float]] | None = None, data: str = "world") -> tuple[Line, Task]:
    network = Line()
    return network, Task(batches, network.loss, measure, data)


def weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().cpu().flatten() for parameter in network.parameters()])


def scripted(values: list[float]) -> Callable[[], dict[str, float]]:
    left = iter(values)
    return lambda: {"hits": next(left), "other": 1.0}


def killed_after(network: Line, task: Task, epochs: int) -> Task:
    """The task, interrupted at the first batch after so many epochs."""
    calls = 0

    def loss(batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 4 * epochs:
            raise KeyboardInterrupt
        return network.loss(batch)

    return Task(task.batches, loss, task.measure, task.data)


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine() -> None:
    """A tenth of warm-up: values worked out by hand, and no step back in between."""
    for done, rate in ((0, 0), (0.05, 0.5), (0.1, 1), (0.55, 0.01 + 0.99 / 2), (1, 0.01)):
        assert schedule(done, 0.1) == pytest.approx(rate)
    assert schedule(0.1 + 0.9 / 3, 0.1) == pytest.approx(0.01 + 0.99 * 0.75)  # cos 60 degrees is a half
    assert schedule(0, 0) == 1
    rates = [schedule(done, 0.2) for done in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 20
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_each_step_takes_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *args: Any) -> Any:
        taken.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    network, task = line()
    train(network, task, CONFIG)
    assert taken == pytest.approx([0.05 * schedule(nth / 24, 0.25) for nth in range(24)])


def test_learns_the_line() -> None:
    """Dropout of a tenth is a ridge: the least squares lie at nine tenths of the truth."""
    network, task = line()
    train(network, task, CONFIG.model_copy(update={"epochs": 60}))
    assert weights(network) == pytest.approx((0.9 * TRUTH).tolist(), abs=0.1)
    assert not network.training


def test_the_best_weights_are_kept_and_patience_ends_it() -> None:
    """Validation is best after the second epoch; the fourth is the second without a better one."""
    seen: list[Tensor] = []
    values = scripted([0.1, 0.5, 0.4, 0.5, 0.9])
    network, task = line(lambda: seen.append(weights(network)) or values())  # type: ignore[func-returns-value]
    kept, metrics = train(network, task, CONFIG)
    assert len(seen) == 4
    assert kept == 2
    assert metrics == {"validation_hits": 0.5, "validation_other": 1.0, "epochs": 2}
    assert torch.equal(weights(network), seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_without_validation_all_epochs_are_run() -> None:
    assert train(*line(), CONFIG) == (6, {})
    assert train(*line(), CONFIG, 3) == (3, {})


def test_fewer_epochs_walk_the_same_way() -> None:
    """Training for the three epochs that were best gives the weights that were best."""
    network, task = line(scripted([0.1, 0.2, 0.9, 0.3, 0.3]))
    assert train(network, task, CONFIG)[0] == 3
    again, task = line()
    train(again, task, CONFIG, 3)
    assert torch.equal(weights(network), weights(again))


def test_the_seed_decides() -> None:
    (one, a), (two, b), (three, c) = line(), line(), line()
    train(one, a, CONFIG)
    torch.rand(7)  # what was drawn elsewhere has no say
    train(two, b, CONFIG)
    train(three, c, CONFIG.model_copy(update={"seed": 1}))
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(three))


def test_gradients_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *args: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.cat([g.flatten() for g in gradients]).norm()))
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    network, task = line()
    train(network, task, CONFIG.model_copy(update={"clip": 0.5}))
    assert max(norms) == pytest.approx(0.5, rel=1e-3)
    assert max(norms) <= 0.5


@pytest.mark.parametrize("epochs", [1, 3])
def test_resumed_is_uninterrupted(tmp_path: Path, epochs: int) -> None:
    values = [0.1, 0.5, 0.4, 0.6, 0.7, 0.2]
    whole, task = line(scripted(values))
    expected = train(whole, task, CONFIG)
    network, task = line(scripted(values))
    with pytest.raises(KeyboardInterrupt):
        train(network, killed_after(network, task, epochs), CONFIG, run=tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()
    resumed, task = line(scripted(values[epochs:]))
    torch.nn.init.zeros_(resumed.out.weight)
    assert train(resumed, task, CONFIG, run=tmp_path) == expected
    assert torch.equal(weights(resumed), weights(whole))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_killed_after_the_last_patience_it_does_not_go_on(tmp_path: Path) -> None:
    """The checkpoint of an epoch at which patience ran out ends training at once."""
    network, task = line(scripted([0.5, 0.4, 0.3]))
    run = training._Training(network, task, CONFIG, tmp_path)
    for epoch in (1, 2, 3):
        run.epoch(epoch)
    again, task = line(scripted([]))
    assert train(again, task, CONFIG, run=tmp_path)[0] == 1


@pytest.mark.parametrize("other", [{"learning_rate": 0.01}, {"seed": 3}, "other world"])
def test_a_checkpoint_of_something_else_is_left_alone(tmp_path: Path, other: Any) -> None:
    network, task = line()
    with pytest.raises(KeyboardInterrupt):
        train(network, killed_after(network, task, 2), CONFIG, run=tmp_path)
    config = CONFIG if isinstance(other, str) else CONFIG.model_copy(update=other)
    data = other if isinstance(other, str) else "world"
    fresh, task = line(data=data)
    train(fresh, task, config)
    beside, task = line(data=data)
    train(beside, task, config, run=tmp_path)
    assert torch.equal(weights(fresh), weights(beside))


def test_curves_are_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    network, task = line(scripted([0.1, 0.3, 0.2, 0.25]))
    train(network, task, CONFIG, run=tmp_path)
    curves = EventAccumulator(str(tmp_path)).Reload()
    assert set(curves.Tags()["scalars"]) == {"loss", "hits", "other", "learning_rate"}
    assert [event.value for event in curves.Scalars("hits")] == pytest.approx([0.1, 0.3, 0.2, 0.25])
    assert curves.Scalars("learning_rate")[0].value == pytest.approx(0.05 * schedule(3 / 24, 0.25))


@pytest.mark.parametrize(
    ("able", "product"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
    ],
)
def test_half_precision_is_of_products_that_the_processor_has_and_of_no_weights(
    able: dict[str, bool], product: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    network, task = line()
    seen: set[torch.dtype] = set()
    network.out.register_forward_hook(lambda module, given, out: seen.add(out.dtype))
    train(network, task, CONFIG.model_copy(update={"precision": "bfloat16"}))
    assert seen == {product}
    assert network.out.weight.dtype == torch.float32
    assert math.isfinite(float(weights(network).sum()))


def test_weights_that_are_no_matrix_do_not_decay() -> None:
    network = nn.Linear(3, 1)
    task = Task(batches, lambda batch: network(batch.to(device())).sum() * 0, None, "world")
    before, bias = network.weight.detach().clone(), network.bias.detach().clone()
    train(network, task, CONFIG.model_copy(update={"weight_decay": 0.5}))
    assert (network.weight.abs() < before.abs()).all()
    assert torch.equal(network.bias, bias)


def spoilt(network: Line, measure: Callable[[], dict[str, float]] | None, batch: int, how: str = "loss") -> Task:
    """The line's task, but that the loss of one batch is no number, or its gradients are none."""
    calls = 0

    def loss(inputs: Any) -> Tensor:
        nonlocal calls
        calls += 1
        found = network.loss(inputs)
        if calls != batch:
            return found
        return found * float("nan") if how == "loss" else found + torch.sqrt(0.0 * network.out.weight.sum())

    return Task(batches, loss, measure, "world")


@pytest.mark.parametrize("is_judged", [True, False])
@pytest.mark.parametrize("how", ["loss", "gradients"])
def test_a_loss_that_is_no_number_leaves_the_last_good_weights(
    is_judged: bool, how: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the third batch of the third epoch: the weights are those after two epochs, and it is told where."""
    network = Line()
    kept, metrics = train(
        network, spoilt(network, scripted([0.1, 0.2]) if is_judged else None, 11, how), CONFIG, run=tmp_path
    )
    told = capfd.readouterr().err.splitlines()
    two, task = line()
    train(two, task, CONFIG, 2)
    assert kept == metrics["epochs"] == 2
    assert torch.equal(weights(network), weights(two))
    assert metrics["diverged"] == "epoch 3, batch 3 of 4"
    assert "line: epoch 3 of 6" in told[-2]
    assert "the loss is no number from batch 3 of 4 on" in told[-2]
    assert told[-1] == "line: stopped; the weights of epoch 2 are kept"
    assert not (tmp_path / "checkpoint.pt").exists()


def test_nothing_to_learn_from_is_one_line() -> None:
    network = Line()
    with pytest.raises(CineFeastError, match=r"line has nothing to learn from: no user .*; next: cinefeast fetch "):
        train(network, Task(lambda rng: [], network.loss, None, "world"), CONFIG)


def test_no_number_from_the_start_is_one_line() -> None:
    network = Line()
    told = r"line: the loss is no number in epoch 1, batch 2 of 4: .*; next: lower learning_rate in models/configs/line"
    with pytest.raises(CineFeastError, match=told):
        train(network, spoilt(network, None, 2), CONFIG)


def test_every_epoch_is_told_as_it_ends(capfd: pytest.CaptureFixture[str]) -> None:
    """With its loss, what validation found, rate and time left; a line is there before the next epoch begins."""
    before: list[int] = []

    def measure() -> dict[str, float]:
        told.extend(capfd.readouterr().err.splitlines())
        before.append(len(told))
        return {"hits": values[len(before) - 1]}

    told: list[str] = []
    values = [0.1, 0.3, 0.2, 0.25]
    network = Line()
    train(network, Task(batches, network.loss, measure, "world"), CONFIG)
    told += capfd.readouterr().err.splitlines()
    assert before == [0, 1, 2, 3]
    assert [line.split(":")[1] for line in told] == [f" epoch {n} of 6 at most" for n in range(1, 5)]
    for line, value in zip(told, values, strict=True):
        assert f"hits {value:.4f}" in line
        assert line.endswith(" left at most")
        assert " batches/s, " in line
    assert ["the best so far" in line for line in told] == [True, True, False, False]
