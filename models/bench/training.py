"""What `cinefeast bench recall` measures of training: the sequence model beside another library's, in turns."""

import json
import shlex
import statistics
import subprocess
import time
from typing import Any

import numpy as np
import torch

from dbt_project.errors import CineFeastError
from models.recall.nn import histories
from models.recall.sequence.model import Sequence, SequenceConfig

SHAPE = {"length": 200, "dim": 64, "heads": 1, "blocks": 2, "inner": 256, "negatives": 0}
"""The architecture that is compared: RecTools' SASRec of the published benchmarks."""
BATCH = 128
FILMS = 3500
WARM_UP = 2


def measure_training(beside: str | None, rounds: int = 3, steps: int = 10) -> dict[str, Any]:
    """Full histories a second that the sequence model trains on, in bfloat16 and in float32.

    `beside` is a command that trains another library's model of the same shape and prints a line of JSON with
    `examples_per_s`; it runs in turns with ours and `train_vs_rectools` is the ratio of the medians. Everything on one
    thread. CineFeastError where the command fails.
    """
    found: dict[str, list[float]] = {"bfloat16": [], "float32": [], "beside": []}
    for _ in range(rounds):
        for precision in ("bfloat16", "float32"):
            found[precision].append(examples_per_second(precision, steps))
        if beside:
            found["beside"].append(other_examples_per_second(beside))
    rates = {name: statistics.median(values) for name, values in found.items() if values}
    measured: dict[str, Any] = {f"train_examples_per_s_{name}": round(rate, 1) for name, rate in rates.items()}
    if beside:
        measured["train_vs_rectools"] = round(rates["bfloat16"] / rates["beside"], 2)
        measured["train_vs_rectools_float32"] = round(rates["float32"] / rates["beside"], 2)
    return measured


def examples_per_second(precision: str, steps: int) -> float:
    """Histories of 200 films a second, forward and backward with the optimiser's step, on made-up histories."""
    config = SequenceConfig.read("sequence_order").changed(SHAPE)
    channel, flat = Sequence(config), made_up(BATCH, config.length + 1)
    channel.films = histories.Ids(np.arange(FILMS))
    channel.network = channel.build(np.zeros((FILMS, 0), np.float32)).train()
    optimiser = torch.optim.AdamW(channel.network.parameters())
    cut = np.stack([flat.offsets[:-1], flat.offsets[:-1] + config.length], axis=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for step in range(WARM_UP + steps):
            if step == WARM_UP:
                started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = channel.loss(flat, cut)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    finally:
        torch.set_num_threads(threads)
    return BATCH * steps / (time.perf_counter() - started)


def made_up(users: int, events: int) -> histories.Flat:
    """Histories of one length, films by a popularity of 1 / rank, an hour apart."""
    share = 1 / np.arange(1, FILMS + 1)
    films = np.random.default_rng(0).choice(FILMS, users * events, p=share / share.sum()) + 1
    at = np.arange(users * events)
    times = 3600 * at
    offsets = np.arange(0, users * events + 1, events)
    before = np.where(at % events > 0, at - 1, -1)
    return histories.Flat(films, np.full(len(films), 8), times, offsets, times + 3600, before)


def other_examples_per_second(command: str) -> float:
    """What the command's last line says."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    try:
        return float(json.loads(done.stdout.strip().splitlines()[-1])["examples_per_s"])
    except (IndexError, ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise CineFeastError(f"`{command}` told no examples_per_s: {last}", "make peers") from None
