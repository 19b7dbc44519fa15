"""`cinefeast ablate`: one change at a time to a channel's frozen configuration, into docs/results.

What there is to change stands in configs/ablations.toml. Each variant is fitted on `train` and judged on validation,
then fitted on both and measured on test and on its cold films alone, with the same seeds. A variant that the result
file holds is not run again. Other text vectors than the default's have a file of their own.
"""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.ingest.text_vectors import DEFAULT, landed_model
from dbt_project.workspace import workspace
from models.config import CONFIGS, ModelConfig
from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.cases import Cases
from models.evaluation.protocols import Protocol, averaged, over_draws
from models.evaluation.record import RESULTS, made_of, provenance, read_json, write_json
from models.evaluation.validation import Validation
from models.rank.registry import RANK
from models.registry import model_class
from models.train import check_protocol, fit_channel

ABLATIONS = CONFIGS / "ablations.toml"
AS_IS = "as configured"
COLD = "-cold-films"
PAIRED = ("recall@50", "recall@500")
"""What is kept of each user on cold films: variants are compared user by user, there being few."""

Said = Callable[[str], None]
Variants = dict[str, dict[str, Any]]


def declared() -> dict[str, dict[str, Any]]:
    """Model to its ablations by name, as configs/ablations.toml has them."""
    found: dict[str, dict[str, Any]] = tomllib.loads(ABLATIONS.read_text(encoding="utf-8"))
    return found


def variants(config: ModelConfig, ablation: dict[str, Any]) -> Variants:
    """Variant to its changes, the frozen configuration first. A variant that is as configured is left out.

    In the file a field with a list stands for a variant for each value, any other name with a table for one variant
    of several fields.
    """
    made: Variants = {AS_IS: {}}
    for name, content in ablation.items():
        if isinstance(content, list):
            made |= {f"{name} = {value}": {name: value} for value in content}
        elif isinstance(content, dict):
            made[name] = content
    return {n: changes for n, changes in made.items() if n == AS_IS or config.changed(changes) != config}


def ablate(
    model: str, name: str, seeds: list[int] | None = None, protocol: Any = "time", say: Said = print
) -> tuple[Path, dict[str, Any]]:
    """Run the variants of an ablation that its result file lacks; the file and what it holds."""
    from feature_repo.store import load_store

    known = declared()
    if model not in known:
        raise CineFeastError(f"no ablation of {model}: there are some of {', '.join(known)}", f"edit {ABLATIONS.name}")
    if name not in known[model]:
        what = f"no ablation {name} of {model}: there are {', '.join(known[model])}"
        raise CineFeastError(what, f"edit {ABLATIONS.name}")
    check_protocol(protocol)
    seeds = seeds or [0]
    made = made_of(workspace()) | {"texts": landed_model(workspace())}
    data = Dataset(load_store(), protocol)
    base = model_class(model).Config.read(model)
    suffix = "" if protocol == "time" else f"-{protocol}"
    suffix += "" if made["texts"] in ("", DEFAULT) else f"-{made['texts'].split(',')[0].split('/')[-1]}"
    path = RESULTS / f"ablation-{model}-{name}-{made['name']}{suffix}.json"
    runs = held(path, data)
    command = f"cinefeast ablate {model} {name}" + ("" if protocol == "time" else f" --protocol {protocol}")
    command += "".join(f" --seed {seed}" for seed in seeds if seeds != [0])
    trial = RankTrial(data, model) if model in RANK else Trial(data, model, base.service)
    for variant, changes in variants(base, known[model][name]).items():
        for seed in seeds:
            config = base.changed({**changes, "seed": seed}).model_dump()
            if any(run["config"] == config for run in runs):
                continue
            runs = [
                run for run in runs if (run["variant"], run["seed"]) != (variant, seed)
            ]  # of an older configuration
            found = elsewhere(model, made["name"] + suffix, config, trial) or {
                "commit": provenance(command, [seed])["commit"],
                **trial.run({**changes, "seed": seed}),
                "config": config,
            }
            runs.append({**found, "variant": variant, "seed": seed})
            metric = "ndcg@10" if model in RANK else "recall@50"
            say(f"{variant}, seed {seed}: validation {metric} {found['validation'][metric]:.4f}")
            about = {"model": model, "ablation": name, "about": known[model][name]["about"], "protocol": protocol}
            result = {**made, **provenance(command, seeds), "data_hash": data.data_hash, **about, "runs": runs}
            write_json(path, result)  # after every variant, so that a stopped ablation goes on
    return path, read_json(path, command)


def held(path: Path, data: Dataset) -> list[dict[str, Any]]:
    """The runs that the result file has; CineFeastError where they are of other ratings."""
    if not path.exists():
        return []
    result = read_json(path, f"rm {path}")
    if result["data_hash"] != data.data_hash:
        raise CineFeastError(f"{path} is of other ratings than the warehouse holds", f"rm {path}")
    runs: list[dict[str, Any]] = result["runs"]
    return runs


def elsewhere(model: str, name: str, config: dict[str, Any], trial: "Trial | RankTrial") -> dict[str, Any] | None:
    """The same configuration, asked the same, in the file of another ablation: the frozen one is part of each."""
    for path in RESULTS.glob(f"ablation-{model}-*-{name}.json"):
        result = read_json(path, f"rm {path}")
        if result["data_hash"] == trial.data.data_hash:
            for run in result["runs"]:
                if run["config"] == config and run["test"].keys() == trial.draws.keys():
                    return dict(run)
    return None


class RankTrial:
    """The questions that every variant of a ranker answers; all learn from samples of the same channels."""

    def __init__(self, data: Dataset, model: str) -> None:
        from models.evaluation.rankers import Bench

        if data.protocol != "time":
            raise CineFeastError(f"the ranker {model} has no protocol {data.protocol}", f"cinefeast ablate {model} ...")
        self.data, self.model = data, model
        self.bench = Bench(data, workspace())
        self.draws = {"time-streaming": [draw.cases for draw in self.bench.shown]}

    def run(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Fit, judge by whole lists of held-back events, measure on test."""
        from models.evaluation.rankers import summary

        started = time.perf_counter()
        run = self.bench.ask(self.model, changes)
        seconds = round(time.perf_counter() - started, 2)
        lists = summary(run.draws)
        test = {"users": len(self.bench.shown[0].cases.frame), **lists["metrics"], "intervals": lists["intervals"]}
        judged = self.bench.validation_metrics(run.ranker)
        return {"train_seconds": seconds, "fit_seconds": seconds, "validation": judged,
                "test": {"time-streaming": test}}  # fmt: skip


class Trial:
    """The questions that every variant of a channel answers: validation, and test by the protocol's main way."""

    def __init__(self, data: Dataset, model: str, service: str) -> None:
        self.data = data
        self.model = model
        self.validation = Validation(data, [service])
        test = cases.held_out(data)
        self.rated = cases.rated_before(data)
        cold = cases.of_cold_films(test, self.rated)
        draws = {"leave-one-out": [cases.leave_one_out(test)], f"leave-one-out{COLD}": [cases.leave_one_out(cold)]}
        if data.protocol == "time":
            seeds = range(cases.DRAWS)
            draws = {
                "time-streaming": [cases.streaming(test, seed) for seed in seeds],
                "time-frozen-one": [cases.frozen_one(data, test, seed) for seed in seeds],
                f"time-streaming{COLD}": [cases.streaming(cold, seed) for seed in seeds],
            }
        self.draws: dict[str, list[Cases]] = {name: drawn for name, drawn in draws.items() if len(drawn[0].frame)}
        self.films = data.catalogue("interactions_v1", "validation").num_rows

    def run(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Fit, judge, fit again on both splits, measure."""
        fitted = fit_channel(self.data, self.model, changes)
        judged = self.validation.metrics(fitted)
        started = time.perf_counter()
        channel = fitted.refit(self.data, "validation")
        seconds = round(time.perf_counter() - started, 2)
        protocol = Protocol(self.data, {self.model: channel}, None, self.rated, self.films)
        test = {}
        for name, draws in self.draws.items():
            answers = [protocol.ask(drawn)[self.model] for drawn in draws]
            means, intervals = averaged(answers)
            test[name] = {"users": len(draws[0].frame), **means, "intervals": intervals}
            if name.endswith(COLD):
                each = over_draws([answered.scores for answered in answers])
                test[name]["each"] = {metric: each[metric][0].tolist() for metric in PAIRED}
        return {"train_seconds": fitted.metrics["train_seconds"], "fit_seconds": seconds,
                "validation": judged, "test": test}  # fmt: skip
