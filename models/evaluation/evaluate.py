"""`cinefeast evaluate`: every protocol on the models of the workspace, into reports/metrics.json."""

import time
from collections.abc import Callable
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, workspace
from models.artifacts import check_data
from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.cases import Cases
from models.evaluation.protocols import Protocol, Rank
from models.evaluation.record import RESULTS, made_of, provenance, write_json
from models.progress import track
from models.recall.registry import MERGE, RECALL
from models.registry import model_class
from models.served import CHANNELS, RANKER
from models.train import artifacts_of
from models.two_stage import TwoStage

PRIMARY = "time-streaming"
PROTOCOLS = {
    PRIMARY: "one later film a warm user, drawn five times; features as of that film's moment, models of the cut-off",
    "time-frozen-one": "one later film a warm user, drawn five times; features and models of the cut-off",
    "time-frozen-all": "all later films of a warm user; features and models of the cut-off. HitRate saturates here: "
    "recall@50 decides",
    "time-streaming-cold": "as time-streaming, for users with fewer than five earlier ratings",
    "time-streaming-cold-films": "as time-streaming, for films with fewer than ten ratings before the cut-off",
    "leave-one-out": "every user's last film; features as of its moment, models of all other ratings",
    "leave-one-out-cold-films": "as leave-one-out, for films with fewer than ten training ratings",
}
LATER = ("merged", "two_stage")


def evaluate(protocols: list[str], models: list[str] | None = None, save: str | None = None) -> dict[str, Any]:
    """Measure the protocols (all that there are models for, if none is named) and write metrics.json.

    models: the recall channels to measure, alone; if none is named every trained one, the merge and the ranker.
    save: write the same to docs/results/<save>.json too.
    Raises CineFeastError where a protocol or a model is unknown, or models are missing or of other data.
    """
    from feature_repo.store import load_store

    check_known("protocol", protocols, list(PROTOCOLS))
    check_known("recall channel", models or [], list(RECALL))
    space = workspace()
    store = load_store()
    started = time.perf_counter()
    measured: dict[str, Any] = {}
    about: dict[str, Any] = {}
    for split in ("time", "leave-one-out"):
        named = [name for name in PROTOCOLS if name.startswith(split) and (not protocols or name in protocols)]
        if named and (protocols or split == "time" or trained(space, split)):
            found = Measured(space, store, split, models or [])
            measured |= found.measure(named)
            about |= {split: found.artifacts()}
    primary = PRIMARY if PRIMARY in measured else next(iter(measured))
    options = [*(f"--protocol {name}" for name in protocols), *(f"--model {name}" for name in models or [])]
    result = {
        **made_of(space),
        **provenance(" ".join(["cinefeast evaluate", *options]), range(cases.DRAWS)),
        "seconds": round(time.perf_counter() - started, 1),
        "models": about,
        "protocol": primary,
        **parts(measured[primary]),
        "protocols": {name: found | parts(found) for name, found in measured.items()},
    }
    write_json(space.reports / "metrics.json", result)
    if save:
        write_json(RESULTS / f"{save}.json", result)
    return result


def check_known(what: str, names: list[str], known: list[str]) -> None:
    """CineFeastError naming what is not there and what is."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CineFeastError(f"no {what} {', '.join(unknown)}: there are {', '.join(known)}", "cinefeast evaluate")


def trained(space: Workspace, split: Any) -> list[str]:
    """The recall channels that there are artifacts of."""
    folder = artifacts_of(space, split)
    return [name for name in RECALL if (folder / name / "config.json").exists()]


class Measured:
    """The models of one split, loaded, and what its protocols measure of them."""

    def __init__(self, space: Workspace, store: Any, split: Any, only: list[str]) -> None:
        self.data = Dataset(store, split)
        folder = artifacts_of(space, split)
        there = trained(space, split)
        served = split == "time" or not there  # then they have to be there, and loading says which is not
        names = only or [name for name in RECALL if name in there or (served and name in CHANNELS)]
        self.channels: dict[str, Any] = {name: model_class(name).load(folder / name, store) for name in names}
        self.ranker: Any = None
        if split == "time" and not only:
            self.ranker = model_class(RANKER).load(folder / RANKER, store)
        for model in self._all():
            check_data(model, self.data, folder / model.config.name)
        self.two_stage: TwoStage | None = None
        if not only and set(CHANNELS) <= set(names):
            self.two_stage = TwoStage({name: self.channels[name] for name in CHANNELS}, self.ranker, MERGE)

    def measure(self, names: list[str]) -> dict[str, Any]:
        """The named protocols, but for those that have nobody to ask."""
        protocol = self.protocol()
        questions = self._questions(protocol)
        measured = {}
        for name in track(names, f"{self.data.protocol}: protocols"):
            make, rank = questions[name]
            draws = make()
            if len(draws[0].frame):
                measured[name] = {"about": PROTOCOLS[name], **protocol.measure(draws, rank)}
        if not measured:
            raise CineFeastError("no user of the test events can be asked about", "fetch a data set with more ratings")
        return measured

    def protocol(self) -> Protocol:
        """The models, ready to be asked."""
        films = self.data.catalogue("interactions_v1", "validation").num_rows
        return Protocol(self.data, self.channels, self.two_stage, cases.rated_before(self.data), films)

    def _questions(self, protocol: Protocol) -> dict[str, tuple[Callable[[], list[Cases]], Rank | None]]:
        """Each protocol's draws, and how its candidates are ranked."""
        data, test, draws = self.data, cases.held_out(self.data), range(cases.DRAWS)
        cold = cases.of_cold_films(test, protocol.rated)
        if data.protocol == "leave-one-out":
            return {
                "leave-one-out": (lambda: [cases.leave_one_out(test)], None),
                "leave-one-out-cold-films": (lambda: [cases.leave_one_out(cold)], None),
            }
        now: Rank | None = None
        frozen: Rank | None = None
        if self.ranker:
            now = protocol.rank_now
            frozen = protocol.rank_at(data.catalogue(self.ranker.config.service, "validation"))
        return {
            PRIMARY: (lambda: [cases.streaming(test, seed) for seed in draws], now),
            "time-frozen-one": (lambda: [cases.frozen_one(data, test, seed) for seed in draws], frozen),
            "time-frozen-all": (lambda: [cases.frozen_all(data, test)], frozen),
            "time-streaming-cold": (lambda: [cases.streaming(test, seed, warm=False) for seed in draws], now),
            "time-streaming-cold-films": (lambda: [cases.streaming(cold, seed) for seed in draws], now),
        }

    def artifacts(self) -> dict[str, Any]:
        """What each model was trained with, and what that took."""
        return {model.config.name: {"seed": model.config.seed, **model.metrics} for model in self._all()}

    def _all(self) -> list[Any]:
        return [*self.channels.values(), *([self.ranker] if self.ranker else [])]


def parts(found: dict[str, Any]) -> dict[str, Any]:
    """Recall channels apart from what two stages make of them."""
    channels = found["channels"]
    return {
        "channels": {name: values for name, values in channels.items() if name != "two_stage"},
        "ranking": {name: channels[name] for name in LATER if name in channels} if "two_stage" in channels else {},
    }
