"""`cinefeast tune-merge`: weights, quotas and constant of the merge, found on validation lists that are made once."""

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from models.config import CONFIGS
from models.dataset import Dataset
from models.evaluation.record import RESULTS, made_of, provenance, write_json
from models.evaluation.validation import Validation
from models.ids import Ids
from models.recall.merging import ChannelWeight, Merging
from models.recall.registry import MERGE, RECALL
from models.registry import model_class
from models.served import CHANNELS
from models.train import check_protocol, fit_channel

SAMPLE = 4000
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
QUOTAS = (50, 100, 200, 300, 500)
CONSTANTS = (5.0, 10.0, 20.0, 40.0, 60.0, 100.0, 200.0)
KS = (50, 500)
ROUNDS = 10
HEADING = """\
# Weighted reciprocal rank fusion of the channels that are served, and for users of fewer than five ratings. Found by
# `cinefeast tune-merge`; figures and commands in docs/results/merge-*.json.
"""
ALWAYS = "popularity"
"""The channel that stays whatever its weight: whoever is unknown is shown it."""


def tune(
    names: list[str], protocol: Any = "time", write: bool = False, save: bool = False, few: bool = False
) -> dict[str, Any]:
    """Find how to merge the named channels, those that are served if none is named; what was found.

    Every channel is fitted on `train` and asked about the same validation events. What it answers is kept in the
    workspace until its configuration, its file or the data change. few: find the shares for users of fewer than five
    ratings, among the channels that are served. write: put what was found into configs/merge.toml.
    """
    from feature_repo.store import load_store

    unknown = [name for name in names if name not in RECALL]
    if unknown:
        what = f"no recall channel {', '.join(unknown)}: there are {', '.join(RECALL)}"
        raise CineFeastError(what, "cinefeast tune-merge --help")
    check_protocol(protocol)
    chosen = names or list(CHANNELS)
    if few and (others := set(chosen) - set(CHANNELS)):
        raise CineFeastError(f"not served: {', '.join(sorted(others))}", "cinefeast tune-merge --few")
    if ALWAYS not in chosen:
        raise CineFeastError(f"{ALWAYS} has to be merged: unknown users are shown it", "name it too")
    data = Dataset(load_store(), protocol)
    services = [model_class(name).Config.read(name).service for name in chosen]
    validation = Validation(data, services, SAMPLE, few=few)
    targets = np.concatenate(validation.targets)
    lists = TunedLists({name: brought(data, name, validation, few) for name in chosen}, targets)
    found = climb(lists, chosen, MERGE.rrf, (MERGE.rrf,)) if few else climb(lists, chosen)
    merging = (
        MERGE.model_copy(update={"few": found.channels})
        if few
        else found.model_copy(
            update={"few": {name: setting for name, setting in MERGE.few.items() if name in found.channels}}
        )
    )
    options = ["--few"] * few + ([] if protocol == "time" else ["--protocol", protocol])
    command = " ".join(["cinefeast tune-merge", *names, *options])
    result = {
        **made_of(workspace()),
        **provenance(command, [0]),
        "protocol": protocol,
        "events": len(targets),
        "merge": merging.model_dump(),
        "validation": {
            "merged": lists.measure(found),
            **({"before": lists.measure(MERGE)} if set(CHANNELS) <= set(chosen) else {}),
            "all alike": lists.measure(Merging.even(chosen)),
            **{name: lists.measure(Merging.even([name])) for name in chosen},
        },
    }
    if write:
        (CONFIGS / "merge.toml").write_text(HEADING + merging.toml(), encoding="utf-8")
    if save:
        suffix = "-few" * few + ("" if protocol == "time" else f"-{protocol}")
        write_json(RESULTS / f"merge-{result['name']}{suffix}.json", result)
    return result


def brought(data: Dataset, name: str, validation: Validation, few: bool) -> np.ndarray:
    """The ids (n, 500) that a channel of the train split brings, out of the workspace where they lie already."""
    kind = model_class(name)
    code = Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    question = [kind.Config.read(name).model_dump(), code, data.protocol, data.data_hash, SAMPLE, few]
    fingerprint = hashlib.sha256(json.dumps(question).encode()).hexdigest()[:12]
    path = workspace().searches / "lists" / f"{name}-{fingerprint}.npy"
    if path.exists():
        kept: np.ndarray = np.load(path, allow_pickle=False)
        return kept
    ids = validation.lists(fit_channel(data, name))[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_suffix(".building.npy")
    np.save(building, ids, allow_pickle=False)
    building.replace(path)
    return ids


class TunedLists:
    """What channels brought for events with one target each, so laid out that a merge is judged in milliseconds.

    Every (event, film) that some channel named is one entry, events in order and films ascending within. The place of
    an event's target is one more than the entries ahead of it; `models.recall.merge` would put it just there.
    """

    def __init__(self, ids: dict[str, np.ndarray], targets: np.ndarray) -> None:
        self.events = len(targets)
        named = np.unique(np.concatenate([targets, *(lists.ravel() for lists in ids.values())]))
        films = Ids(named[named >= 0])
        keys, ranks = {}, {}
        for name, lists in ids.items():
            event, place = np.nonzero(lists >= 0)
            keys[name] = event * len(films) + films.rows(lists[event, place])
            ranks[name] = place + 1
        wanted = np.arange(self.events) * len(films) + films.rows(targets)
        entries = np.sort(pd.unique(np.concatenate([wanted, *keys.values()])))  # (e,)
        self.ranks = {name: np.zeros(len(entries), np.int64) for name in ids}
        for name in ids:
            self.ranks[name][np.searchsorted(entries, keys[name])] = ranks[name]
        self.event = entries // len(films)
        self.target = np.searchsorted(entries, wanted)  # (events,) entry of each target
        self.earlier = np.arange(len(entries)) < self.target[self.event]  # wins a tie against the target

    def part(self, name: str, setting: ChannelWeight | None, rrf: float) -> np.ndarray:
        """What a channel adds to each entry's score (e,)."""
        ranks = self.ranks[name]
        if setting is None:
            return np.zeros(len(ranks))
        return np.where((ranks > 0) & (ranks <= setting.quota), setting.weight / (rrf + ranks), 0.0)

    def places(self, scores: np.ndarray) -> np.ndarray:
        """Each target's place (events,), 1 for the first; -1 where no channel named it. `scores` (e,)."""
        scores = scores.round(12)
        wanted = scores[self.target]
        against = wanted[self.event]
        ahead = (scores > against) | ((scores == against) & self.earlier)
        return np.where(wanted > 0, 1 + np.bincount(self.event, ahead, self.events).astype(np.int64), -1)

    def recall(self, scores: np.ndarray) -> dict[str, float]:
        """Recall@50 and @500 of the entries ordered by `scores`."""
        places = self.places(scores)
        return {f"recall@{k}": float(((places > 0) & (places <= k)).mean()) for k in KS}

    def measure(self, merging: Merging) -> dict[str, float]:
        """Recall@50 and @500 of a merge."""
        parts = [self.part(name, setting, merging.rrf) for name, setting in merging.channels.items()]
        return self.recall(np.sum(parts, axis=0))


def climb(lists: TunedLists, names: list[str], rrf: float = 60.0, constants: tuple[float, ...] = CONSTANTS) -> Merging:
    """Coordinate ascent on the mean of Recall@50 and Recall@500, from equal weights, until a round brings nothing.

    A channel that adds nothing falls out; weights are told relative to the largest.
    """
    settings: dict[str, ChannelWeight | None] = {name: ChannelWeight() for name in names}

    def score(parts: dict[str, np.ndarray]) -> float:
        return float(np.mean(list(lists.recall(np.sum(list(parts.values()), axis=0)).values())))

    parts = {name: lists.part(name, settings[name], rrf) for name in names}
    best = score(parts)
    for _ in range(ROUNDS):
        before = best
        for name in names:
            rest = np.sum([part for other, part in parts.items() if other != name] or [0.0 * parts[name]], axis=0)
            for setting in choices(name, settings[name]):
                part = lists.part(name, setting, rrf)
                value = score({"rest": rest, name: part})
                if value > best:
                    best, settings[name], parts[name] = value, setting, part
        for constant in constants:
            moved = {name: lists.part(name, settings[name], constant) for name in names}
            value = score(moved)
            if value > best:
                best, rrf, parts = value, constant, moved
        if best == before:
            break
    held = {name: setting for name, setting in settings.items() if setting is not None}
    most = max(setting.weight for setting in held.values())
    return Merging(
        rrf=rrf,
        channels={
            n: ChannelWeight(weight=round(setting.weight / most, 4), quota=setting.quota) for n, setting in held.items()
        },
    )


def choices(name: str, now: ChannelWeight | None) -> list[ChannelWeight | None]:
    """What a channel may be changed to: any weight with its quota, any quota with its weight, silence."""
    now = now or ChannelWeight()
    kept: list[ChannelWeight | None] = [ChannelWeight(weight=weight, quota=now.quota) for weight in WEIGHTS]
    kept += [ChannelWeight(weight=now.weight, quota=quota) for quota in QUOTAS]
    return kept if name == ALWAYS else [None, *kept]
