"""What the server tells Prometheus: latency per stage, requests by outcome, what was missing."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

# Seconds. Fine below 100 ms, where answers lie; the last bounds catch a store that hangs.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)

AGES = (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400, 10 * 365 * 86_400)
"""Seconds: from an event of just now to a data set of another decade."""

SERVED = "Versions of models and catalogue."


class Metrics:
    """The metrics of one app, in a registry of their own so that a process can hold two apps."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stage_seconds = Histogram(
            "cinefeast_stage_seconds",
            "Time of one stage of an answer: features, recall:CHANNEL, rank, rules, explain, total.",
            ["stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.requests = Counter(
            "cinefeast_requests",
            "Requests for recommendations by outcome: ok, cold, invalid, unavailable, error.",
            ["outcome"],
            registry=self.registry,
        )
        self.degraded = Counter(
            "cinefeast_degraded_answers",
            "Answers without something, by the stage that was missing.",
            ["stage"],
            registry=self.registry,
        )
        self.feature_age = Histogram(
            "cinefeast_feature_age_seconds",
            "Time since the last event that the features of an answered user know of.",
            buckets=AGES,
            registry=self.registry,
        )
        self.rule_notes = Counter(
            "cinefeast_rule_notes", "Answers of which rules had something to tell.", registry=self.registry
        )
        self.cache = Counter(
            "cinefeast_cache", "Looks into a cache, by what came of it.", ["cache", "outcome"], registry=self.registry
        )
        self.feature_psi = Gauge(
            "cinefeast_feature_psi",
            "How far the values of a feature that are served are from those that the ranker was trained on (PSI).",
            ["feature"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.logged = Counter(
            "cinefeast_logged_answers",
            "Answers whose features were to be logged: logged, failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.unnoted = Counter(
            "cinefeast_unnoted_answers",
            "Ranked answers whose features were not looked at, as too many waited.",
            registry=self.registry,
        )
        self.catalogue_movies = Gauge(
            "cinefeast_catalogue_movies",
            "Films in memory.",
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )
        self.events_waiting = Gauge(
            "cinefeast_events_waiting",
            "Events on disk that the online features do not know yet.",
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )
        self.events_set_aside = Gauge(
            "cinefeast_events_set_aside",
            "Accepted events that cannot be read, and will not reach the online features before the next build.",
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )
        self.unshared_limits = Counter(
            "cinefeast_unshared_limits",
            "Times that a worker counted alone what a client asks for, as Redis did not answer in time.",
            registry=self.registry,
        )
        self.served = Info("cinefeast_served", SERVED, registry=self.registry)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)

    def serving(self, models: str, catalogue: str, movies: int) -> None:
        """Tell what is served from now on."""
        self.catalogue_movies.set(movies)
        self.served.info({"models": models, "catalogue": catalogue})

    def drifted(self, found: dict[str, float]) -> None:
        """Tell each feature's PSI."""
        for feature, index in found.items():
            self.feature_psi.labels(feature).set(index)

    def answered(self, strategy: str, degraded: list[str], notes: list[str]) -> None:
        """Count an answer."""
        self.requests.labels("cold" if strategy == "popularity" else "ok").inc()
        for stage in {reason.split(":")[0] for reason in degraded}:
            self.degraded.labels(stage).inc()
        if notes:
            self.rule_notes.inc()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Observe the time of the block, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(time.perf_counter() - start)


def share_between_workers(folder: str) -> None:
    """Keep the metrics that this process makes from now on in files of `folder`, where every worker finds them."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.get_value_class()


def text_of_all(folder: str, served: Iterable[tuple[str, str]]) -> bytes:
    """All that workers keep in files of `folder`, as Prometheus reads it, with their versions of models and catalogue,
    which no file has."""
    shared = CollectorRegistry()
    MultiProcessCollector(shared, folder)
    info = Gauge("cinefeast_served_info", SERVED, ["models", "catalogue"], registry=shared)
    for versions in served:
        info.labels(*versions).set(1)
    return generate_latest(shared)
