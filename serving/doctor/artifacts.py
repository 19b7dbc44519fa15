"""The last steps: are the models of the ratings and features that are there now, and the reports of the models?"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from models.served import CHANNELS, FINAL, RANKER, served_models
from serving.doctor.checks import Check, combined, listed
from serving.doctor.warehouse import Warehouse, opened

if TYPE_CHECKING:
    from feast import FeatureStore

TRAIN = "cinefeast train"


def labels_hash(warehouse: Warehouse) -> str:
    """models.dataset.Dataset.data_hash, a column at a time: 32M ratings take 256 MB instead of several GB."""
    digest = hashlib.sha256()
    with opened(warehouse.path) as connection:
        for column, kind in (
            ("user_id", np.int64),
            ("movie_id", np.int64),
            ("epoch_us(event_timestamp)", np.int64),
            ("rating", np.float32),
        ):
            batches = connection.sql(f"select {column} as value from training.training_labels order by rating_id")
            for batch in batches.to_arrow_reader(1_000_000):
                digest.update(batch["value"].to_numpy(zero_copy_only=False).astype(kind).tobytes())
    return digest.hexdigest()[:16]


def model_files(space: Workspace) -> list[Path]:
    """The config.json of each evaluated model of any protocol; hidden directories are what the links point to."""
    found = [*space.artifacts.glob("*/config.json"), *space.artifacts.glob("*/*/config.json")]
    parts = [(file, file.relative_to(space.artifacts).parts) for file in found]
    return [file for file, of in parts if of[0] != FINAL and not any(part.startswith(".") for part in of)]


def artifacts_check(space: Workspace, store: "FeatureStore | None", warehouse: Warehouse | None) -> Check:
    """Wrong where a model is damaged or learned other features; warn where none is trained or on other ratings."""
    if not model_files(space):
        return Check("artifacts", "warn", f"missing: no trained model in {space.artifacts}", TRAIN)
    from models.dataset import SPLIT_COLUMN
    from models.train import artifacts_of

    data = labels_hash(warehouse) if warehouse else None
    findings, count = [], 0
    for protocol in SPLIT_COLUMN:
        folder = artifacts_of(space, protocol)
        if protocol != "time" and not folder.is_dir():
            continue
        names = [*CHANNELS, *([RANKER] if protocol == "time" else [])]
        found = {name: model_finding(folder / name, store, data) for name in names}
        findings += [finding for finding in found.values() if finding and finding.status == "wrong"]
        old = [name for name, finding in found.items() if finding and finding.status == "warn"]
        if old:
            what = f"stale: {folder} is of other ratings than the warehouse holds: {listed(old)}"
            findings.append(Check("", "warn", what, again(folder / names[0])))
        count += len(names)
    served = served_models(space.artifacts)
    if served.fit == FINAL:
        final = {name: model_finding(served.folder / name, store, data) for name in (*CHANNELS, RANKER)}
        findings += [finding for finding in final.values() if finding and finding.status == "wrong"]
        count += len(final)
    return combined("artifacts", findings, f"fresh: {count} models, of these ratings and these features")


def learned_check(space: Workspace) -> Check:
    """How new the newest rating is that all served models learned, and of when their films and counts are.

    No threshold: data sets end when they end.
    """
    served = served_models(space.artifacts)
    files = [served.folder / name / "config.json" for name in (*CHANNELS, RANKER)]
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
    moments = [datetime.fromisoformat(model["learned_until"]) for model in told if model.get("learned_until")]
    if not moments:
        return Check("learned", "warn", "no served model says what it learned", TRAIN)
    newest = min(moments)
    what = f"the newest rating that was learned is of {newest:%Y-%m-%d %H:%M:%S} UTC, {days_since(newest):,} days ago"
    if refreshed := [model["refreshed_until"] for model in told if model.get("refreshed_until")]:
        days = days_since(datetime.fromisoformat(min(refreshed)))
        what += f"; films and counts are refreshed up to one of {days:,} days ago"
    if served.fit == FINAL:
        return Check("learned", "ok", f"{what}; the final models are served")
    rest = f"the newest tenth is kept for evaluation; cinefeast train --{FINAL} learns it, too"
    return Check("learned", "ok", f"{what}; the models of the evaluation are served: {rest}")


def days_since(moment: datetime) -> int:
    """Whole days from a moment to now."""
    return (datetime.now(UTC) - moment).days


def again(path: Path) -> str:
    """The command that trains the model at `path` anew."""
    from models.artifacts import again as command

    return command(path)


def model_finding(path: Path, store: "FeatureStore | None", data: str | None) -> Check | None:
    """What is wrong with one model; a warning where it is of other ratings, which the caller puts together."""
    from models.artifacts import check_schema
    from models.config import ModelConfig
    from models.dataset import schema

    if not path.exists():
        return Check("", "wrong", f"missing: no model {path.name} beside the others", again(path))
    try:
        description: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        trained, name, service = description["schema"], description["config"]["name"], description["service"]
        if not (path / "model.safetensors").exists():
            raise FileNotFoundError("no model.safetensors")
        if store is not None:
            check_schema(path, ModelConfig(name=name, service=service), trained, schema(store, service))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Check("", "wrong", f"{path} is damaged: {error}", again(path))
    except CineFeastError as error:
        return Check("", "wrong", f"stale: {error.what}", error.next_command)
    is_other = data is not None and description.get("data_hash") != data
    return Check("", "warn", "trained on other ratings", again(path)) if is_other else None


def reports_check(space: Workspace) -> Check:
    """Wrong where the metrics cannot be read; warn where they are missing or older than what they are of."""
    models = [file.stat().st_mtime for file in model_files(space)]
    metrics, page = space.reports / "metrics.json", space.reports / "report.html"
    if not metrics.exists():
        return Check("reports", "warn", f"missing: no {metrics}", "cinefeast evaluate" if models else TRAIN)
    try:
        json.loads(metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Check("reports", "wrong", f"{metrics} is damaged: {error}", "cinefeast evaluate")
    measured = metrics.stat().st_mtime
    if models and measured < max(models):
        return Check("reports", "warn", f"stale: {metrics} is older than the models", "cinefeast evaluate")
    if not page.exists() or page.stat().st_mtime < measured:
        state = "older than the metrics" if page.exists() else "missing"
        return Check("reports", "warn", f"stale: {page} is {state}", "cinefeast report")
    return Check("reports", "ok", "fresh: metrics.json and report.html")
