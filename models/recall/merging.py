"""How channels are merged: which, how much each counts, how many films it may name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.config import CONFIGS, read_toml

WARM = 5
"""How many ratings make a user warm."""


class ChannelWeight(BaseModel):
    """What one channel may say in the merge."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    weight: float = Field(default=1.0, gt=0)
    """What its reciprocal ranks are multiplied by."""
    quota: int = Field(default=500, ge=1)
    """It brings at most so many films."""


class Merging(BaseModel):
    """Weighted reciprocal rank fusion: a film scores the sum over channels of weight / (rrf + rank)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rrf: float = Field(default=60.0, ge=0)
    """What is added to a rank; the larger, the less the first places count before the others. The paper has 60."""
    channels: dict[str, ChannelWeight]
    """The channels that are merged and served, by name."""
    few: dict[str, ChannelWeight] = {}
    """The shares for users who are not warm yet, and only these channels; empty where they are merged like all."""

    @model_validator(mode="after")
    def _few_are_served(self) -> Self:
        if unknown := self.few.keys() - self.channels.keys():
            raise ValueError(f"few names {', '.join(sorted(unknown))}, which channels does not")
        return self

    @classmethod
    def read(cls, path: Path = CONFIGS / "merge.toml") -> Self:
        """The merge in a TOML file; CineFeastError when it is missing or wrong."""
        return read_toml(cls, path)

    @classmethod
    def even(cls, names: Mapping[str, object] | list[str]) -> Self:
        """The named channels, each counting alike, all they name."""
        return cls(channels={name: ChannelWeight() for name in names})

    def weights_and_quotas(self, name: str, few: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A channel's weight and quota (n,) for users who are not warm yet, and others; 0 where it is not merged."""
        usual, other = self.channels[name], (self.few or self.channels).get(name)
        weight, quota = (other.weight, other.quota) if other else (0.0, 0)
        return np.where(few, weight, usual.weight), np.where(few, quota, usual.quota)

    def toml(self) -> str:
        """The file's content, without its heading."""
        lines = [f"rrf = {json.dumps(self.rrf)}"]
        for part, by_name in {"channels": self.channels, "few": self.few}.items():
            if by_name:
                lines += ["", f"[{part}]"]
            lines += [f"{n} = {{ weight = {json.dumps(s.weight)}, quota = {s.quota} }}" for n, s in by_name.items()]
        return "\n".join(lines) + "\n"
