"""Asking recall and the ranker a protocol's questions, and gathering what they scored."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.columns import integers
from models.dataset import Dataset
from models.evaluation.cases import Cases
from models.ids import Ids
from models.metrics.ranked_lists import SHOWN, PerUser, Rated, coverage, mean_and_interval, per_user
from models.rank.samples.pairs import Pairs, PreparedFilms
from models.recall.base import Recaller
from models.recall.fan_out import BROUGHT, of_few
from models.recall.merge import Candidates, ChannelLists, merge
from models.two_stage import TwoStage

Rank = Callable[[Cases, Any, Candidates], np.ndarray]
COMPARED = "recall@500"
"""What recall is there for: the merge is set beside the best channel by it."""


class Protocol:
    """Models of before the cut-off, asked about cases; scores are kept a user, averaged over draws.

    data: the labels and features
    channels: every channel to measure, by name
    models: those that are merged and ranked, or None to measure the channels alone
    rated: the films' ratings before the cut-off
    films: how many films the catalogue had by then
    """

    def __init__(
        self, data: Dataset, channels: dict[str, Recaller], models: TwoStage | None, rated: Rated, films: int
    ) -> None:
        self.data = data
        self.channels = channels
        self.models = models
        self.rated = rated
        self.films = films
        self._facts: PreparedFilms | None = None
        judged = [*channels.values(), *([models.ranker] if models and models.ranker else [])]
        self.services = sorted({model.config.service for model in judged})

    def measure(self, draws: list[Cases], rank: Rank | None = None) -> dict[str, Any]:
        """Means and intervals of every channel, of the merge and, with `rank`, of the final list."""
        answers = [self.ask(cases, rank) for cases in draws]
        each = {name: over_draws([answered[name].scores for answered in answers]) for name in answers[0]}
        found: dict[str, Any] = {"users": len(draws[0].frame), "draws": len(draws), "channels": {}, "intervals": {}}
        for name in each:
            found["channels"][name], found["intervals"][name] = averaged([answered[name] for answered in answers])
        return found | ({"merged_ahead": ahead(each, list(self.channels))} if "merged" in each else {})

    def score(self, cases: Cases, ids: np.ndarray) -> "Answered":
        """What lists (n, k) are worth as answers to cases."""
        return Answered(
            per_user(ids, cases.targets, self.rated), {f"coverage@{k}": coverage(ids, self.films, k) for k in SHOWN}
        )

    def ask(self, cases: Cases, rank: Rank | None = None) -> dict[str, "Answered"]:
        """One draw's scores of every channel, of the merge and, with `rank`, of the final list."""
        users = self.data.users(self.services, cases.frame)
        seen = self.data.seen(cases.frame)
        answered: dict[str, Answered] = {}
        brought: ChannelLists = {}  # a dozen channels' lists need not be held at once: only those that are merged
        for name, channel in self.channels.items():
            lists = channel.recommend(users, BROUGHT, seen)
            answered[name] = self.score(cases, lists[0])
            if self.models and name in self.models.channels:
                brought[name] = lists
        if self.models:
            wanted = {name: brought[name] for name in self.models.channels}
            merged = merge(wanted, self.models.merging, BROUGHT, few=of_few(seen))
            answered["merged"] = self.score(cases, merged.ids)
            if rank is not None:
                answered["two_stage"] = self.score(cases, rank(cases, users, merged))
        return answered

    def rank_now(self, cases: Cases, users: Any, merged: Candidates) -> np.ndarray:
        """The ranker's order of the candidates, with each film's features as of the case's own moment."""
        films, rows = self.films_now(cases, merged)
        return ordered(self._two_stage, merged, rows, self.pairs(users, films, merged, rows))

    def films_now(self, cases: Cases, merged: Candidates) -> tuple[Any, np.ndarray]:
        """The films' half of the ranker's service at each case's own moment, and each candidate's row in it (n, c)."""
        service = self._two_stage.ranker.config.service
        held = merged.ids >= 0
        moments = cases.frame["event_timestamp"].to_numpy()[np.nonzero(held)[0]]
        pairs = pd.DataFrame({"movie_id": merged.ids[held], "event_timestamp": moments})
        code, _ = pd.factorize(pd.MultiIndex.from_frame(pairs))  # a film at a moment is read once
        first = pd.Series(code).drop_duplicates().index
        rows = np.full(merged.ids.shape, -1, np.int64)
        rows[held] = code
        return self.data.films(service, pairs.iloc[first].reset_index(drop=True)), rows

    def pairs(self, users: Any, films: Any, merged: Candidates, rows: np.ndarray) -> Pairs:
        """What the ranker scores; facts of films watched are of all films there are, as they never change."""
        if self._facts is None:
            self._facts = PreparedFilms(self.data.catalogue(self._two_stage.ranker.config.service, "test"))
        return self._two_stage.pairs(users, films, merged, rows, self._facts)

    def rank_at(self, catalogue: Any) -> Rank:
        """The ranker's order of the candidates, with films as they stand in `catalogue`, whatever the moment."""
        known = Ids(integers(catalogue, "movie_id"))

        def rank(cases: Cases, users: Any, merged: Candidates) -> np.ndarray:
            rows = np.where(merged.ids >= 0, known.rows(merged.ids), -1)
            return ordered(self._two_stage, merged, rows, self.pairs(users, catalogue, merged, rows))

        return rank

    @property
    def _two_stage(self) -> TwoStage:
        assert self.models is not None, "nothing to rank with: the channels are measured alone"
        return self.models


def ordered(models: TwoStage, merged: Candidates, rows: np.ndarray, pairs: Pairs) -> np.ndarray:
    """The candidates (n, c) in the ranker's order, -1 after the last."""
    scores = models.order(merged, rows, pairs)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(merged.ids, order, axis=1)
    return np.where(np.isfinite(np.take_along_axis(scores, order, axis=1)), ranked, -1)


@dataclass(frozen=True)
class Answered:
    """One draw's answers, scored."""

    scores: PerUser
    covered: dict[str, float]
    """coverage@K, which is of all users together."""


def averaged(draws: list[Answered]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Every metric over draws and users, and the 95% intervals; a metric that weighs nothing is left out."""
    scores = over_draws([draw.scores for draw in draws])
    summary = {metric: summarised(metric, *parts) for metric, parts in scores.items()}
    known = {metric: both for metric, both in summary.items() if not math.isnan(both[0])}
    covered = {metric: float(np.mean([draw.covered[metric] for draw in draws])) for metric in draws[0].covered}
    means = {metric: mean for metric, (mean, _) in known.items()} | covered
    return means, {metric: interval for metric, (_, interval) in known.items()}


def over_draws(draws: list[PerUser]) -> PerUser:
    """Numerators and weights (n,) averaged over draws: the same users answer in each, and count once."""
    return {
        metric: (
            np.mean([scores[metric][0] for scores in draws], axis=0),
            np.mean([scores[metric][1] for scores in draws], axis=0),
        )
        for metric in draws[0]
    }


def summarised(metric: str, values: np.ndarray, weights: np.ndarray) -> tuple[float, list[float]]:
    """A metric over users with its interval; bits have no upper bound, shares have."""
    return mean_and_interval(values, weights, most=math.inf if metric.startswith("novelty") else 1.0)


def ahead(each: dict[str, PerUser], channels: list[str]) -> dict[str, Any]:
    """By how much the merge is ahead of the best single channel, user by user: the paired difference."""
    values = {name: each[name][COMPARED][0] for name in (*channels, "merged")}
    best = max(channels, key=lambda name: float(values[name].mean()))
    by, interval = mean_and_interval(values["merged"] - values[best], least=-1.0)
    return {"metric": COMPARED, "of": best, "by": by, "interval": interval}
