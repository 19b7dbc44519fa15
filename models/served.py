"""Which models are served: the channels that configs/merge.toml names, and one ranker; and of which fit."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from models.config import CONFIGS, read_toml


class _Merged(BaseModel):
    """The part of merge.toml that names channels; models.recall.merging reads the rest."""

    channels: dict[str, Any]


CHANNELS = tuple(read_toml(_Merged, CONFIGS / "merge.toml").channels)
"""The channels that are merged and served; the others are trained when they are named."""
RANKER = "unified"
"""The ranker that is served; the others are trained when they are named, and stand beside it in docs/ranking.md."""
FINAL: Literal["final"] = "final"
"""The fit on all ratings, and the folder beside the evaluated models that holds it."""


@dataclass(frozen=True)
class ServedModels:
    """The models that are served now."""

    folder: Path
    """Where they lie, a folder each."""
    fit: Literal["evaluation", "final"]
    """What they learned: all but the newest tenth, by which they were judged, or all ratings."""

    @property
    def version(self) -> str:
        """The fit, and twelve hex digits that are equal for equal models."""
        digest = hashlib.sha256()
        for name in (*CHANNELS, RANKER):
            for file in ("config.json", "model.safetensors"):
                path = self.folder / name / file
                digest.update(path.read_bytes() if path.exists() else b"")
        return f"{self.fit}-{digest.hexdigest()[:12]}"


def served_models(artifacts: Path) -> ServedModels:
    """The final models where they are a whole set, made with the choices of the evaluated ones; else the evaluated."""
    final = (artifacts / FINAL).resolve()  # the name may show another set a moment later
    if all(_has_choices_of(final / name, artifacts / name) for name in (*CHANNELS, RANKER)):
        return ServedModels(final, FINAL)
    return ServedModels(artifacts, "evaluation")


def choices(evaluated: Path) -> str:
    """What tells the choices of an evaluated model apart: configuration, epochs, ratings, weights."""
    return hashlib.sha256((evaluated / "config.json").read_bytes()).hexdigest()


def _has_choices_of(final: Path, evaluated: Path) -> bool:
    try:
        found = json.loads((final / "config.json").read_text(encoding="utf-8"))["choices"]
        return bool(found == choices(evaluated))
    except (OSError, ValueError, KeyError):
        return False
