"""Replay: what answers were made of, as it was logged, beside what the offline store says was known then."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.durable import written_aside
from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace, workspace
from serving.monitoring.feature_log import NOT_FOUND, SERVICE

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
EXAMPLES = 3
"""Values of a feature that differ, of which it is told."""


@dataclass(frozen=True)
class Difference:
    """A value that was served and is not what was known."""

    key: str
    """The name of the key and its value."""
    read_at: datetime
    served: Any
    known: Any


@dataclass
class Replayed:
    """One feature's values."""

    feature: str
    count: int = 0
    same: int = 0
    examples: list[Difference] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the values, those that agree; 1 of none."""
        return self.same / self.count if self.count else 1.0


@dataclass(frozen=True)
class Summary:
    """What is kept of a replay: when it ran, since when answers count (None: all), and how many values agree."""

    at: str
    since: str | None
    values: int
    same: int
    differing: dict[str, int]
    """Of the features that do not always agree: how many values differ."""


def result_file(space: Workspace) -> Path:
    """Where the last replay's summary lies, which `cinefeast doctor` reads."""
    return space.reports / "replay.json"


def keep(found: Sequence[Replayed], since: datetime | None, at: datetime, space: Workspace) -> None:
    """Write the summary of a replay that began `at` a moment, in the place of the one before."""
    summary = Summary(
        at=at.isoformat(timespec="seconds"),
        since=since.isoformat() if since else None,
        values=sum(one.count for one in found),
        same=sum(one.same for one in found),
        differing={one.feature: one.count - one.same for one in found if one.same < one.count},
    )
    with written_aside(result_file(space)) as part:
        part.write_text(json.dumps(asdict(summary), indent=2), encoding="utf-8")


def replay(store: "FeatureStore", since: datetime | None = None) -> list[Replayed]:
    """Every feature that was logged, from a moment on if one is given.

    A user's features are asked for as known when they were read, films' as known when the catalogue was read. Raises
    CineFeastError where nothing is logged.
    """
    service = store.get_feature_service(SERVICE)
    folder = workspace().logs / SERVICE
    log = logged(store, service, since or EARLIEST) if any(folder.glob("*.parquet")) else None
    if not log:
        raise CineFeastError(f"no features are logged in {folder}", "CINEFEAST_LOG_FEATURES=1 cinefeast serve")
    found = []
    for view in service.feature_view_projections:
        (key,) = store.get_feature_view(view.name).join_keys
        names = [f"{view.name_to_use()}__{feature.name}" for feature in view.features]
        # a log of before moments were kept has that of the answer alone
        read_at = pc.coalesce(log[f"{names[0]}__timestamp"], log["__log_timestamp"])
        known = store.get_historical_features(
            pa.table({key: log[key], "event_timestamp": read_at}),
            [f"{view.name}:{feature.name}" for feature in view.features],
            full_feature_names=True,
            filter_by_created_timestamp=True,
        ).to_arrow()
        found += [compared(name, key, log, read_at, known) for name in names]
    return found


def logged(store: "FeatureStore", service: "FeatureService", since: datetime) -> pa.Table:
    """What was logged, an answer's film a row."""
    provider = store._get_provider()
    job = provider.retrieve_feature_service_logs(service, since, datetime.now(UTC), store.config, store.registry)
    return job.to_arrow()


def compared(name: str, key: str, log: pa.Table, read_at: pa.ChunkedArray, known: pa.Table) -> Replayed:
    """One feature's values, those left out that an answer did not read."""
    result = Replayed(name)
    columns = (log[f"{name}__status"], log[key], read_at, log[name], known[name])
    for status, key_value, moment, served, expected in zip(*(column.to_pylist() for column in columns), strict=True):
        if status == NOT_FOUND:
            continue
        result.count += 1
        if is_same(served, expected):
            result.same += 1
        elif len(result.examples) < EXAMPLES:
            result.examples.append(Difference(f"{key} {key_value}", moment, served, expected))
    return result


def is_same(served: Any, known: Any) -> bool:
    """Equal to the last bit; of lists nothing is as good as none, and NaN is NaN."""
    if isinstance(served or known, list):
        return bool((served or []) == (known or []))
    return bool(served == known or (served != served and known != known))


def told(found: Sequence[Replayed]) -> list[str]:
    """The lines to print: a feature each, then examples, then the sum."""
    width = max(len(one.feature) for one in found)
    lines = [f"{one.feature:<{width}}  {one.count:>9,}  {100 * one.share:6.2f}%" for one in found]
    for one in found:
        lines += [
            f"{one.feature} of {example.key} at {example.read_at:%Y-%m-%d %H:%M:%S.%f}: served {example.served}, "
            f"known then {example.known}"
            for example in one.examples
        ]
    count, same = sum(one.count for one in found), sum(one.same for one in found)
    return [*lines, f"{same:,} of {count:,} values that were served are what was known then"]
