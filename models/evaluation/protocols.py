"""Asking recall and the ranker a protocol's questions, and gathering what they scored."""

from collections.abc import Callable
from typing import Any

import numpy as np

from models.dataset import Dataset
from models.evaluation.cases import Cases
from models.evaluation.metrics import coverage, list_metrics, mean_and_interval
from models.rank.samples import catalogue_ids, films_at
from models.recall.merge import Candidates, merge
from models.two_stage import BROUGHT, TwoStage

PerUser = dict[str, dict[str, np.ndarray]]


class Protocol:
    """Models of before the cut-off, asked about cases; scores are kept a user, averaged over draws."""

    def __init__(self, data: Dataset, models: TwoStage, service: str, catalogue: Any) -> None:
        self.data = data
        self.models = models
        self.service = service
        self.catalogue = catalogue

    def measure(
        self, draws: list[Cases], rank: Callable[[Cases, Any, Candidates], np.ndarray] | None
    ) -> dict[str, Any]:
        """Means and intervals of every channel, of the merge and, with `rank`, of the final list."""
        scores = [self._ask(cases, rank) for cases in draws]
        names = list(scores[0][0])
        found: dict[str, Any] = {"users": len(draws[0].frame), "draws": len(draws), "channels": {}, "intervals": {}}
        for name in names:
            # the same users answer in every draw, so a user's draws are averaged before users are
            each = {m: np.mean([score[name][m] for score, _ in scores], axis=0) for m in scores[0][0][name]}
            summary = {metric: mean_and_interval(values) for metric, values in each.items()}
            found["channels"][name] = {metric: mean for metric, (mean, _) in summary.items()} | {
                f"coverage@{k}": float(np.mean([covered[name][k] for _, covered in scores])) for k in (10, 50)
            }
            found["intervals"][name] = {metric: interval for metric, (_, interval) in summary.items()}
        return found

    def _ask(self, cases: Cases, rank: Callable[..., np.ndarray] | None) -> tuple[PerUser, dict[str, dict[int, float]]]:
        users = self.data.users(self.service, cases.frame)
        seen = self.data.seen(cases.frame)
        brought = {name: channel.recommend(users, BROUGHT, seen) for name, channel in self.models.channels.items()}
        merged = merge(brought, self.models.weights, BROUGHT)
        lists = {name: ids for name, (ids, _) in brought.items()} | {"merged": merged.ids}
        if rank is not None:
            lists["two_stage"] = rank(cases, users, merged)
        films = len(self.models.movie_ids)
        scored = {name: list_metrics(ids, cases.targets) for name, ids in lists.items()}
        return scored, {name: {k: coverage(ids, films, k) for k in (10, 50)} for name, ids in lists.items()}

    def rank_now(self, cases: Cases, users: Any, merged: Candidates) -> np.ndarray:
        """The ranker's order of the candidates, with each film's features as of the case's own moment."""
        films, code = films_at(self.data, self.service, merged.ids, cases.frame["event_timestamp"].to_numpy())
        known = catalogue_ids(films).values[code].reshape(merged.ids.shape) == merged.ids
        rows = np.where((merged.ids >= 0) & known, code.reshape(merged.ids.shape), -1)
        return self._ordered(users, films, merged, rows)

    def rank_at_cut_off(self, cases: Cases, users: Any, merged: Candidates) -> np.ndarray:
        """The ranker's order of the candidates, with films as they stood at the cut-off."""
        rows = catalogue_ids(self.catalogue).rows(merged.ids)
        return self._ordered(users, self.catalogue, merged, np.where(merged.ids >= 0, rows, -1))

    def _ordered(self, users: Any, films: Any, merged: Candidates, rows: np.ndarray) -> np.ndarray:
        scores = self.models.order(users, films, merged, rows)
        order = np.argsort(-scores, axis=1, kind="stable")
        ranked = np.take_along_axis(merged.ids, order, axis=1)
        return np.where(np.isfinite(np.take_along_axis(scores, order, axis=1)), ranked, -1)
