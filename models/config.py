"""Frozen model configurations: one TOML file a model, read once, carried whole in the artifact."""

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dbt_project.errors import CineFeastError

CONFIGS = Path(__file__).parent / "configs"


class ModelConfig(BaseModel):
    """What every model's configuration holds. Unknown and missing keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name of the model: its artifact's directory, its channel in reports and answers."""
    service: str
    """The one Feast feature service that the model may read."""
    seed: int = 0
    """Seed of everything random in training."""

    @classmethod
    def read(cls, name: str) -> Self:
        """The configuration in `configs/<name>.toml`; CineFeastError when it is missing or wrong."""
        path = CONFIGS / f"{name}.toml"
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise CineFeastError(f"no configuration {path}", "cinefeast train --help") from None
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise CineFeastError(f"{path}: {' '.join(str(error).split())}", f"edit {path.name}") from None
