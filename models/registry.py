"""The class behind a model's name: models.recall.registry and models.rank.registry list them."""

from importlib import import_module

from models.artifacts import Model
from models.rank.registry import RANK
from models.recall.registry import RECALL


def model_class(name: str) -> type[Model]:
    """The class behind a name."""
    package, place = ("recall", RECALL[name]) if name in RECALL else ("rank", RANK[name])
    module, _, kind = place.partition(":")
    found: type[Model] = getattr(import_module(f"models.{package}.{module}"), kind)
    return found
