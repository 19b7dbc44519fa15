"""Which models are served: the channels that configs/merge.toml names, and one ranker."""

from typing import Any

from pydantic import BaseModel

from models.config import CONFIGS, read_toml


class _Merged(BaseModel):
    """The part of merge.toml that names channels; models.recall.merging reads the rest."""

    channels: dict[str, Any]


CHANNELS = tuple(read_toml(_Merged, CONFIGS / "merge.toml").channels)
"""The channels that are merged and served; the others are trained when they are named."""
RANKER = "unified"
"""The ranker that is served; the others are trained when they are named, and stand beside it in docs/ranking.md."""
