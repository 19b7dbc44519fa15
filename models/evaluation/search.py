"""`cinefeast search`: a channel's few parameters, found by Optuna on validation alone.

By TPE (Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011), or in any order without repetition
where every field has a list of values. The space is frozen beside the configuration, in configs/search/<name>.toml.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import Trial, TrialState
from pydantic import BaseModel, ConfigDict, model_validator

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace
from models.config import CONFIGS, read_toml
from models.dataset import Dataset
from models.evaluation.record import RESULTS, made_of, provenance, write_json
from models.evaluation.validation import SAMPLE, Validation
from models.recall.registry import RECALL
from models.registry import model_class
from models.train import check_protocol, fit_channel

FROZEN = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
Said = Callable[[str], None]


class Dimension(BaseModel):
    """The values that one field may take: those listed, or a range."""

    model_config = FROZEN

    values: list[Any] | None = None
    """The values to choose from."""
    low: int | float | None = None
    """The least value of a range."""
    high: int | float | None = None
    """The greatest value of a range; the range is of whole numbers where both are whole."""
    log: bool = False
    """Whether the range is searched by its logarithm."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Dimension":
        if (self.values is None) == (self.low is None or self.high is None):
            raise ValueError("either values, or low and high")
        return self

    def suggest(self, trial: Trial, name: str) -> Any:
        """The value that a trial has for the field. Listed ones are kept as JSON, so that they can be lists."""
        if self.values is not None:
            return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in self.values]))
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def stored(self, value: Any) -> Any:
        """A configured value as a trial holds it; None where it is outside."""
        if self.values is not None:
            return json.dumps(value) if value in self.values else None
        return value if self.low <= value <= self.high else None


class Space(BaseModel):
    """What a search looks through, and what it goes by."""

    model_config = FROZEN

    measure: str = "recall@50"
    """The validation metric to raise."""
    sample: int = SAMPLE
    """How many validation events judge a trial."""
    trials: int = 20
    """How many configurations are tried, those of earlier runs included."""
    seed: int = 0
    """Seed of the search."""
    fields: dict[str, Dimension]
    """Configuration field to its values."""

    @classmethod
    def read(cls, name: str) -> "Space":
        """The space in configs/search/<name>.toml; CineFeastError when it is missing or wrong."""
        return read_toml(cls, CONFIGS / "search" / f"{name}.toml")


def search(
    name: str, trials: int | None = None, protocol: Any = "time", save: bool = False, say: Said = print
) -> dict[str, Any]:
    """Try configurations of a channel on validation until there are `trials`; what was found.

    Trials are kept in the workspace and count when the command is run again, as long as data, space and the rest of
    the configuration are the same. The first trial is the frozen configuration, if the space holds it.
    """
    from feature_repo.store import load_store

    if name not in RECALL:
        raise CineFeastError(f"no recall channel {name}: there are {', '.join(RECALL)}", "cinefeast search --help")
    check_protocol(protocol)
    space, kind = Space.read(name), model_class(name)
    base = kind.Config.read(name)
    data = Dataset(load_store(), protocol)
    validation = Validation(data, [base.service], space.sample, space.seed)

    def objective(trial: Trial) -> float:
        changes = {field: dimension.suggest(trial, field) for field, dimension in space.fields.items()}
        measured = validation.metrics(fit_channel(data, name, changes))
        trial.set_user_attr("measured", measured)
        if space.measure not in measured:
            raise CineFeastError(f"no metric {space.measure}: there are {', '.join(measured)}", f"edit {name}.toml")
        say(f"trial {trial.number}: {space.measure} {measured[space.measure]:.4f}  {json.dumps(changes)}")
        return float(measured[space.measure])

    study = opened(name, space, base, data)
    done = len(study.get_trials(states=[TrialState.COMPLETE]))
    study.optimize(objective, n_trials=max((trials or space.trials) - done, 0))
    result = found(study, name, space, base, protocol)
    if save:
        made = made_of(workspace())
        suffix = "" if protocol == "time" else f"-{protocol}"
        write_json(RESULTS / f"search-{name}-{made['name']}{suffix}.json", {**made, **result})
    return result


def opened(name: str, space: Space, base: Any, data: Dataset) -> optuna.Study:
    """The study of just this question, with the trials that were made already."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rest = {field: value for field, value in base.model_dump().items() if field not in space.fields}
    question = [rest, space.model_dump(exclude={"trials"}), data.protocol, data.data_hash]
    fingerprint = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:12]
    folder = workspace().searches
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / name}.db",
        study_name=f"{name} {data.protocol} {fingerprint}",
        direction="maximize",
        load_if_exists=True,
    )
    # a study that goes on must not draw its first random trials again; a space of lists alone is run through once
    grid = all(dimension.values is not None for dimension in space.fields.values())
    kind = optuna.samplers.BruteForceSampler if grid else optuna.samplers.TPESampler
    with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):  # the former, to Optuna
        study.sampler = kind(seed=space.seed + len(study.trials))
    frozen = {field: dimension.stored(getattr(base, field)) for field, dimension in space.fields.items()}
    if not study.trials and None not in frozen.values():
        study.enqueue_trial(frozen)
    return study


def found(study: optuna.Study, name: str, space: Space, base: Any, protocol: Any) -> dict[str, Any]:
    """The best configuration of a study beside all that were tried."""

    def values(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        listed = {field for field, dimension in space.fields.items() if dimension.values is not None}
        return {f: json.loads(value) if f in listed else value for f, value in trial.params.items()}

    made = sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda trial: trial.number)
    best = max(made, key=lambda trial: trial.value or 0.0)  # the first of equals
    command = f"cinefeast search {name} --trials {len(made)}"
    return {
        **provenance(command + ("" if protocol == "time" else f" --protocol {protocol}"), [space.seed]),
        "model": name,
        "protocol": protocol,
        "measure": space.measure,
        "best": values(best),
        "validation": best.user_attrs["measured"],
        "trials": [{"values": values(trial), space.measure: trial.value} for trial in made],
    }


def as_toml(values: dict[str, Any]) -> str:
    """Fields as lines of TOML, to paste into the frozen configuration."""
    return "\n".join(f"{field} = {json.dumps(value)}" for field, value in values.items())
