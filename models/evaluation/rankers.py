"""`cinefeast rankers`: every ranker on the same samples and the same lists, side by side, into docs/results.

Each ranker is trained on the samples that `cinefeast train` left in the workspace, once a seed. Asked is the test
window, streaming: recall is that of the trained channels, features are as of each film's own moment, and a film that
recall did not bring is a miss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, workspace
from models.columns import numbers
from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.importance import importance
from models.evaluation.lists import Shower, Shown, held_back
from models.evaluation.record import RESULTS, made_of, provenance, write_json
from models.evaluation.subgroups import by_subgroup
from models.metrics.pointwise import auc, ece, gauc, logloss
from models.metrics.ranked_lists import list_metrics, mean_and_interval
from models.rank.config import RankConfig
from models.rank.registry import RANK
from models.rank.samples.samples import Samples, make_samples
from models.recall.registry import MERGE
from models.registry import model_class
from models.served import CHANNELS, RANKER
from models.train import artifacts_of, cores, fit_ranker, load_channels
from models.two_stage import TwoStage

METRICS = ("ndcg@10", "hit_rate@10", "mrr@10", "hit_rate@50", "recall@500")
RECALL_ORDER = "recall's order"
BESIDE = ("popularity", "popularity_recent")
RESAMPLES = 200
HELD_BACK = 1000
"""Validation events of which whole lists are judged."""
EVENTS = 3000
"""Test events of which single films are judged."""
Said = Callable[[str], None]
PerDraw = dict[str, np.ndarray]


def rankers(names: list[str], seeds: list[int], save: bool, say: Said = print) -> tuple[Path, dict[str, Any]]:
    """Train and measure the named rankers (all if none is named), once a seed; the file and what it holds.

    save: write docs/results/rankers-....json, not reports/rankers.json
    """
    from feature_repo.store import load_store

    unknown = [name for name in names if name not in RANK]
    if unknown:
        raise CineFeastError(f"no ranker {', '.join(unknown)}: there are {', '.join(RANK)}", "cinefeast rankers")
    space, seeds = workspace(), seeds or [0]
    data = Dataset(load_store())
    bench = Bench(data, space)
    orders = {RECALL_ORDER: [draw.merged.ids for draw in bench.shown]}
    orders |= {name: [draw.brought[name][0] for draw in bench.shown] for name in BESIDE if name in CHANNELS}
    plain = {name: over_draws(lists, bench.shown) for name, lists in orders.items()}
    found = {}
    for name in names or list(RANK):
        found[name] = measured([bench.ask(name, {"seed": seed}) for seed in seeds], bench.test)
        say(f"{name}: ndcg@10 {found[name]['metrics']['ndcg@10']:.4f}, gauc {found[name]['metrics']['gauc']:.4f}")
    options = "".join(f" {name}" for name in names) + "".join(f" --seed {seed}" for seed in seeds if seeds != [0])
    draws = {name: one.pop("draws") for name, one in found.items()} | {RECALL_ORDER: plain[RECALL_ORDER]}
    result = {
        **made_of(space),
        **provenance(f"cinefeast rankers{options}", seeds),
        "users": len(bench.shown[0].cases.frame),
        "groups": bench.learned.groups,
        "test_groups": bench.test.groups,
        "orders": {name: summary(each) for name, each in plain.items()},
        "rankers": found,
        "ahead": {name: ahead(draws[name], plain[RECALL_ORDER]) for name in found},
        "subgroups": by_subgroup(bench.shown, {name: each["ndcg@10"] for name, each in draws.items()}, data),
        "rating": rating_errors({name: one.pop("ratings") for name, one in found.items()}, bench.test),
    }
    path = RESULTS / f"rankers-{result['name']}.json" if save else space.reports / "rankers.json"
    write_json(path, result)
    return path, result


@dataclass(frozen=True)
class RankerRun:
    """One trained ranker and its answers."""

    ranker: Any
    draws: PerDraw
    """Metric to (draws, users)."""


class Bench:
    """The same samples, the same lists and the same test events for every ranker."""

    def __init__(self, data: Dataset, space: Workspace) -> None:
        self.data, self.space = data, space
        self.config = config = cast(RankConfig, model_class(RANKER).Config.read(RANKER))
        self._validation: Shown | None = None
        self.trained = load_channels(data, space.samples / "channels")
        self.learned = make_samples(data, self.trained, MERGE, config, space.samples / data.protocol, processes=cores())
        self.channels = load_channels(data, artifacts_of(space, "time"))
        settings = config.samples.model_copy(update={"events": EVENTS})
        sampled = config.model_copy(update={"samples": settings})
        self.test = make_samples(data, self.channels, MERGE, sampled, space.samples / "test", "test", cores())
        shower = Shower(data, self.channels, MERGE, model_class(RANKER)(config))
        test = cases.held_out(data)
        self.shown = [shower.show(cases.streaming(test, seed)) for seed in range(cases.DRAWS)]

    def ask(self, name: str, changes: dict[str, Any]) -> RankerRun:
        """Train a ranker and ask it everything. Where `changes` has samples, it learns from samples of its own."""
        ranker = fit_ranker(self.data, name, self._samples(changes.get("samples")), changes)
        models = TwoStage(self.channels, ranker, MERGE)
        return RankerRun(ranker, over_draws([draw.ranked(models) for draw in self.shown], self.shown))

    def _samples(self, settings: Any) -> Samples:
        config = self.config.changed({"samples": settings} if settings else {})
        if config == self.config:
            return self.learned
        folder = self.space.samples / "changed"
        return make_samples(self.data, self.trained, MERGE, config, folder, processes=cores())

    def validation_metrics(self, ranker: Any) -> dict[str, float]:
        """Every ranking metric of whole lists for validation events that no ranker learned from: what choices go by."""
        if self._validation is None:
            shower = Shower(self.data, self.trained, MERGE, ranker)
            self._validation = shower.show(held_back(self.data, self.config, HELD_BACK))
        ids = self._validation.ranked(TwoStage(self.trained, ranker, MERGE))
        found = list_metrics(ids, self._validation.cases.targets)
        return {metric: float(values.mean()) for metric, values in found.items()}


def over_draws(lists: list[np.ndarray], shown: list[Shown]) -> PerDraw:
    """Metrics of the lists (n, c) of each draw: (draws, n); the same users answer in each."""
    draws = [list_metrics(ids, draw.cases.targets) for ids, draw in zip(lists, shown, strict=True)]
    return {metric: np.stack([draw[metric] for draw in draws]) for metric in METRICS if metric in draws[0]}


def summary(draws: PerDraw) -> dict[str, Any]:
    """Means and intervals over users, whose draws are averaged first."""
    pairs = {metric: mean_and_interval(values.mean(axis=0)) for metric, values in draws.items()}
    return {"metrics": {m: mean for m, (mean, _) in pairs.items()}, "intervals": {m: i for m, (_, i) in pairs.items()}}


def measured(runs: list[RankerRun], test: Samples) -> dict[str, Any]:
    """A ranker over its seeds: lists, single films, what training measured, what it lives on."""
    draws = {metric: np.mean([run.draws[metric] for run in runs], axis=0) for metric in runs[0].draws}
    single = [judged(run.ranker, test) for run in runs]
    lists = summary(draws)
    return {
        "metrics": lists["metrics"] | {m: float(np.mean([one[m][0] for one in single])) for m in single[0]},
        "intervals": lists["intervals"] | {m: list(np.mean([one[m][1] for one in single], axis=0)) for m in single[0]},
        "by_seed": [float(run.draws["ndcg@10"].mean()) for run in runs],
        "training": [run.ranker.metrics for run in runs],
        "importance": importance(runs[0].ranker, test) if runs[0].ranker.config.name == RANKER else {},
        "draws": draws,
        "ratings": runs[0].ranker.ratings(test.pairs),
    }


def judged(ranker: Any, test: Samples) -> dict[str, tuple[float, list[float]]]:
    """AUC, GAUC, logloss and ECE of test groups with 95% intervals; those of AUC and ECE by bootstrap of groups."""
    scores = ranker.score(test.pairs).reshape(test.groups, -1)
    shares = ranker.calibration(scores.ravel()).reshape(scores.shape)
    label = test.label > 0
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(scores), len(scores)) for _ in range(RESAMPLES)]

    def resampled(measure: Callable[[np.ndarray], float]) -> tuple[float, list[float]]:
        values = [measure(rows) for rows in drawn]
        return measure(np.arange(len(scores))), [float(v) for v in np.quantile(values, [0.025, 0.975])]

    return {
        "auc": resampled(lambda rows: auc(scores[rows].ravel(), label[rows].ravel())),
        "gauc": mean_and_interval(gauc(scores)),
        "logloss": mean_and_interval(logloss(shares), most=np.inf),
        "ece": resampled(lambda rows: ece(shares[rows].ravel(), label[rows].ravel())),
    }


def ahead(draws: PerDraw, order: PerDraw) -> dict[str, Any]:
    """By which share NDCG@10 is above recall's own order, and the paired difference with its interval."""
    by, interval = mean_and_interval((draws["ndcg@10"] - order["ndcg@10"]).mean(axis=0), least=-1.0)
    return {"share": by / max(float(order["ndcg@10"].mean()), 1e-9), "by": by, "interval": interval}


def rating_errors(found: dict[str, np.ndarray | None], test: Samples) -> dict[str, float]:
    """RMSE of the films rated: by rankers that tell a rating, by the user's mean, the film's, and the mean of both."""
    rows, wanted = np.arange(test.groups) * test.size, test.rating
    user = np.nan_to_num(numbers(test.pairs.users, "user_mean_rating"), nan=wanted.mean())[test.pairs.user[rows]]
    film = np.nan_to_num(numbers(test.pairs.films, "movie_mean_rating"), nan=wanted.mean())[test.pairs.film[rows]]
    estimates = {name: values[rows] for name, values in found.items() if values is not None}
    estimates |= {"the user's mean": user, "the film's mean": film, "the mean of both": (user + film) / 2}
    return {name: float(np.sqrt(np.mean((values - wanted) ** 2))) for name, values in estimates.items()}
