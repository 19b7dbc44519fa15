"""What a trained model leaves on disk: a directory of config.json, safetensors, ids, metrics and a card."""

import hashlib
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dbt_project.errors import CineFeastError
from dbt_project.workspace import publish_directory
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split, schema
from models.ids import Ids
from models.served import CHANNELS, FINAL, RANKER

CHECKED = ("model.safetensors", "ids.parquet")
"""The files whose checksums config.json holds: weights and the ids that their rows stand for belong together."""
KEPT = (
    "protocol", "trained_until", "fit", "learned_until", "choices", "cut_off", "data_hash", "schema", "schema_hash",
    "versions", "dataset", "refreshed_until",
)  # fmt: skip
"""What a loaded model still tells of its training."""
PARTS = ("feast", "faiss-cpu", "implicit", "numpy", "scipy", "torch")


def schema_hash(features: dict[str, str]) -> str:
    """A short hash of a service's feature names and types, in any order."""
    return hashlib.sha256(json.dumps(sorted(features.items())).encode()).hexdigest()[:16]


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Model(ABC):
    """What every model shares: a frozen configuration, the films it knows, and its way to disk and back."""

    Config: ClassVar[type[ModelConfig]]
    EXTRA: ClassVar[tuple[str, ...]] = ()
    """Files beside the common ones, which `save_parts` writes."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.films = Ids(np.empty(0, np.int64))
        self.provenance: dict[str, Any] = {}
        self.metrics: dict[str, Any] = {}

    @abstractmethod
    def tensors(self) -> dict[str, np.ndarray]:
        """The learned numbers, by name."""

    def facts(self) -> dict[str, Any]:
        """The small learned facts that are no tensors (vocabularies, widths), as JSON."""
        return {}

    @abstractmethod
    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Become the model that `tensors` and `facts` came from; `self.films` is set already."""

    def came_from(self, data: Dataset, until: Split) -> None:
        """Note what the model was trained on; `fit` calls it."""
        features = schema(data.store, self.config.service)
        self.provenance = {
            "protocol": data.protocol,
            "trained_until": until,
            "fit": "final" if until == SPLITS[-1] else "evaluation",
            "learned_until": data.learned_until(until).isoformat(),
            "cut_off": data.cut_off(until).isoformat() if data.protocol == "time" else None,
            "data_hash": data.data_hash,
            "schema": features,
            "schema_hash": schema_hash(features),
            "versions": {part: version(part) for part in PARTS},
        }

    def save_parts(self, folder: Path) -> None:
        """Write the files of EXTRA."""
        return

    def load_parts(self, folder: Path) -> None:
        """Read them back; called last."""
        return

    def save(self, path: Path) -> None:
        """Write the artifact to the directory `path`, at once or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        built = Path(tempfile.mkdtemp(prefix=f".{path.name}-building-", dir=path.parent))
        try:
            description = {
                "class": type(self).__name__,
                "config": self.config.model_dump(),
                "service": self.config.service,
                "seed": self.config.seed,
                **self.provenance,
                "facts": self.facts(),
            }
            _write_json(built / "metrics.json", self.metrics)
            save_file(
                {name: np.ascontiguousarray(tensor) for name, tensor in self.tensors().items()},
                built / "model.safetensors",
            )
            rows = np.arange(len(self.films))
            pq.write_table(pa.table({"row": rows, "movie_id": self.films.values}), built / "ids.parquet")
            self.save_parts(built)
            (built / "MODEL_CARD.md").write_text(_card(self, description), encoding="utf-8")
            checksums = {name: checksum(built / name) for name in (*CHECKED, *self.EXTRA)}
            _write_json(built / "config.json", description | {"checksums": checksums})
            publish_directory(built, path)
        except BaseException:
            shutil.rmtree(built, ignore_errors=True)
            raise

    @classmethod
    def load(cls, path: Path, store: FeatureStore) -> Self:
        """The model saved at `path`.

        CineFeastError when there is none, when it is of another class, when a file is not the one that was saved with
        the others, or when the service it was trained on has other features in the live registry.
        """
        try:
            description = json.loads((path / "config.json").read_text(encoding="utf-8"))
            if description["class"] != cls.__name__:
                raise CineFeastError(f"{path} holds a {description['class']}, not a {cls.__name__}", again(path))
            for name in (*CHECKED, *cls.EXTRA):
                if checksum(path / name) != description["checksums"][name]:
                    raise CineFeastError(f"{path / name} is not what was saved with config.json", again(path))
            model = cls(cls.Config.model_validate(description["config"]))
            model.films = Ids(pq.read_table(path / "ids.parquet")["movie_id"].to_numpy())
            model.metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
            tensors = load_file(path / "model.safetensors")
        except ValidationError as error:
            fields = ", ".join(sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]}))
            raise CineFeastError(f"{path} was trained with other settings than now: {fields}", again(path)) from None
        except (OSError, ValueError, KeyError, pa.ArrowException, SafetensorError) as error:
            what = f"no trained model at {path}" if not path.exists() else f"{path} is damaged ({error})"
            raise CineFeastError(what, again(path)) from None
        model.provenance = {key: description[key] for key in KEPT if key in description}
        check_schema(path, model.config, model.provenance["schema"], schema(store, model.config.service))
        model.restore(tensors, description["facts"], store)
        model.load_parts(path)
        return model


def check_schema(path: Path, config: ModelConfig, trained: dict[str, str], live: dict[str, str]) -> None:
    """CineFeastError naming each feature in which the trained and the live service differ."""
    changes = [f"{name} is gone" for name in trained if name not in live]
    changes += [f"{name} is new" for name in live if name not in trained]
    changes += [f"{n} was {t}, is {live[n]}" for n, t in trained.items() if n in live and live[n] != t]
    if changes:
        what = f"model {config.name} was trained on another {config.service}: {', '.join(changes)}"
        raise CineFeastError(what, again(path))


def again(path: Path) -> str:
    """The command that trains the artifact at `path` anew; its folder tells the fit, or the protocol.

    Without a name `cinefeast train` trains all that is served, which belongs together; another model is named.
    """
    if path.parent.name == FINAL or path.parent.name.startswith(f".{FINAL}-"):  # the name, or what it shows
        return f"cinefeast train --{FINAL}"
    name = "" if path.name in (*CHANNELS, RANKER) else f" {path.name}"
    return f"cinefeast train{name}" + (" --protocol leave-one-out" if path.parent.name == "leave-one-out" else "")


def check_data(model: Model, data: Dataset, path: Path) -> None:
    """CineFeastError where a model that is to be judged learned other labels than there are now, or all of them."""
    if model.provenance["data_hash"] != data.data_hash:
        what = f"the model {model.config.name} in {path.parent} was trained on other ratings than the warehouse holds"
        raise CineFeastError(what, again(path))
    if model.provenance.get("fit") == FINAL:
        what = f"the model {model.config.name} in {path.parent} learned the test window and cannot be judged by it"
        raise CineFeastError(what, "cinefeast train")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, default=float) + "\n", encoding="utf-8")


def _card(model: Model, description: dict[str, Any]) -> str:
    purpose = (type(model).__doc__ or "").strip()
    fields = type(model.config).model_fields
    settings = "\n".join(
        f"| `{name}` | `{value}` | {' '.join((fields[name].description or '').split())} |"
        for name, value in model.config.model_dump().items()
    )
    measured = "\n".join(f"| {name} | {value} |" for name, value in model.metrics.items())
    return (
        f"# {model.config.name}\n\n{purpose}\n\n"
        f"Trained on `{description.get('dataset', 'unknown')}` (data `{description.get('data_hash')}`), "
        f"split {description.get('protocol')}, up to the end of {description.get('trained_until')} (fit "
        f"{description.get('fit')}, newest rating {description.get('learned_until')}), through the "
        f"Feast service `{model.config.service}` (schema `{description.get('schema_hash')}`), "
        f"over {len(model.films)} films.\n\n"
        f"| setting | value | meaning |\n|---|---|---|\n{settings}\n\n"
        f"| measured on validation | |\n|---|---|\n{measured}\n\n"
        "Made with `cinefeast train`. MovieLens data are for non-commercial research (Harper and Konstan, 2015).\n"
    )
