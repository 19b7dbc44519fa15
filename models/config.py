"""Frozen model configurations: one TOML file a model, read once, carried whole in the artifact."""

import tomllib
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dbt_project.errors import CineFeastError

CONFIGS = Path(__file__).parent / "configs"

Settings = TypeVar("Settings", bound=BaseModel)


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
        return read_toml(cls, CONFIGS / f"{name}.toml")

    def changed(self, changes: dict[str, Any]) -> Self:
        """This configuration with some fields changed; CineFeastError where one is unknown or wrong."""
        try:
            return type(self).model_validate(self.model_dump() | changes)
        except ValidationError as error:
            what = f"{self.name} cannot be changed so: {' '.join(str(error).split())}"
            raise CineFeastError(what, f"look at {CONFIGS / f'{self.name}.toml'}") from None


def read_toml(kind: type[Settings], path: Path) -> Settings:
    """A frozen file as the settings it holds; CineFeastError when it is missing or wrong."""
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CineFeastError(f"no configuration {path}", "cinefeast train --help") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CineFeastError(f"{path}: {' '.join(str(error).split())}", f"edit {path.name}") from None
