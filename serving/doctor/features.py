"""Each feature of each service: nulls and drift between the training window and the online store, and what is amiss."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.progress import track
from serving.doctor.checks import FEATURE_ORDER, Check, FeatureCheck, combined, listed
from serving.doctor.groups import groups
from serving.doctor.samples import Sample, read_sample
from serving.doctor.warehouse import Warehouse
from serving.features.reader import MATERIALIZE, ONLINE_ERRORS, feast_command, unavailable
from serving.statistics.bins import counted, floats
from serving.statistics.psi import by_chance, psi
from serving.statistics.thresholds import DIFFERS, DRIFTED, NULL_JUMP, WATCH

if TYPE_CHECKING:
    from feast import FeatureStore


def feature_checks(store: "FeatureStore", warehouse: Warehouse, ahead: pa.Table) -> list[FeatureCheck]:
    """Every feature of every service, a service at a time. Raises OnlineStoreError where the store does not answer.

    ahead: ratings that the online store knows of and the warehouse does not
    """
    judged: dict[str, dict[str, Any]] = {}
    asked, services = groups(store, warehouse)
    for group in track(asked, "features"):
        try:
            sample = read_sample(store, warehouse, group, ahead)
        except ONLINE_ERRORS as error:
            raise unavailable(error) from error
        judged |= {reference: judge(sample, reference) for reference in group.fields}
    return [
        FeatureCheck(service, reference.split(":", 1)[1], **judged[reference])
        for service, references in services.items()
        for reference in references
    ]


def judge(sample: Sample, reference: str) -> dict[str, Any]:
    """The fields of a FeatureCheck that do not depend on the service."""
    training, online = sample.training[reference], sample.online[reference]
    nulls = [column.null_count / len(column) for column in (training, online)]
    differs = float(np.mean(different(sample.stored[reference], online)))
    index, status = drift(training, online)
    if lost(*nulls) or differs > DIFFERS:
        status = "wrong"
    return {
        "null_share_training": nulls[0],
        "null_share_online": nulls[1],
        "psi": index,
        "differs": differs,
        "status": status,
    }


def drift(training: pa.Array, online: pa.Array) -> tuple[float | None, Literal["ok", "watch", "drifted", "wrong"]]:
    """The PSI, of the worst element of a list, and what it means; a PSI that chance explains means nothing."""
    pairs = counted(training, online)
    if not pairs:
        return None, "ok"
    index, chance = max((psi(*pair), by_chance(*pair, tests=len(pairs))) for pair in pairs)
    if index <= max(WATCH, chance):
        return index, "ok"
    return index, "drifted" if index > DRIFTED else "watch"


def lost(training: float, online: float) -> bool:
    """Whether the share of nulls has jumped, or nothing at all is left."""
    return online - training > NULL_JUMP or (online == 1.0 and training < 1.0)


def different(stored: pa.Array, online: pa.Array) -> np.ndarray:
    """Which rows differ (n,) bool; floats by more than 32 bits round."""
    if pa.types.is_floating(stored.type):
        return ~np.isclose(floats(stored), floats(online), rtol=1e-6, atol=1e-9, equal_nan=True)
    if pa.types.is_list(stored.type):
        return np.array([a != b for a, b in zip(stored.to_pylist(), online.to_pylist(), strict=True)])
    equal = pc.fill_null(pc.equal(stored, online), False)
    both_null = pc.and_(pc.is_null(stored), pc.is_null(online))
    return ~pc.or_(equal, both_null).to_numpy(zero_copy_only=False)


def nulls_check(features: list[FeatureCheck]) -> Check:
    """Wrong where a feature has far more nulls online than in the training window."""
    names = [
        f"{f.feature} ({f.null_share_training:.0%} of training, {f.null_share_online:.0%} online)"
        for f in distinct(features)
        if lost(f.null_share_training or 0.0, f.null_share_online or 0.0)
    ]
    findings = [Check("", "wrong", f"lost online: {listed(names)}", feast_command(MATERIALIZE))] if names else []
    return combined("nulls", findings, f"{len(distinct(features))} features, no share of nulls has jumped")


def served_check(features: list[FeatureCheck]) -> Check:
    """Wrong where values online are not those of the warehouse, whatever their distribution."""
    apart = [f for f in distinct(features) if f.differs]
    wrong = [f for f in apart if (f.differs or 0.0) > DIFFERS]
    names = [f"{f.feature} ({f.differs:.1%})" for f in wrong or apart]
    findings = (
        [
            Check(
                "",
                "wrong" if wrong else "warn",
                f"not the warehouse's values: {listed(names)}",
                feast_command(MATERIALIZE),
            )
        ]
        if apart
        else []
    )
    return combined("served", findings, "every sampled value online is the warehouse's")


def drift_check(features: list[FeatureCheck]) -> Check:
    """Warn where the warehouse itself has drifted since the training window; the models have not seen such values."""
    drifted = [f for f in distinct(features) if (f.psi or 0.0) > DRIFTED and f.status == "drifted"]
    watched = [f.feature for f in distinct(features) if f.status == "watch"]
    findings = []
    if drifted:
        names = [f"{f.feature} (PSI {f.psi:.2f})" for f in drifted]
        findings.append(
            Check("", "warn", f"since the training window: {listed(names)}", "cinefeast train && cinefeast evaluate")
        )
    said = f"; watch {listed(watched)}" if watched else ""
    return combined("drift", findings, f"no feature has a PSI above {DRIFTED}{said}")


def distinct(features: list[FeatureCheck]) -> list[FeatureCheck]:
    """Each feature once, whatever services hold it, the worst first."""
    once = {feature.feature: feature for feature in features}
    return sorted(once.values(), key=lambda f: (-FEATURE_ORDER.index(f.status), -(f.psi or 0.0), f.feature))
