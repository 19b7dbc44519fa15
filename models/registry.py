"""Which models there are: a name is a configuration in configs/, a directory of artifacts, a channel in answers."""

from importlib import import_module

from models.artifacts import Model

RECALL = {
    "popularity": "popularity:Popularity",
    "popularity_recent": "popularity:Popularity",
    "item_cf": "item_cf:ItemCF",
    "two_tower": "two_tower:TwoTower",
    "sequence": "sequence:Sequence",
    "sequence_order": "sequence:Sequence",
    "light_gcn": "light_gcn:LightGCN",
}
"""Recall channels: module and class in models.recall, imported only when asked for, as some bring torch."""
RANK = {"dcn": "dcn:DCN"}
"""Rankers: module and class in models.rank."""

CHANNELS = ("popularity", "popularity_recent", "item_cf", "two_tower")
"""The channels that are merged and served; the others are trained when they are named."""
WEIGHTS = {"popularity": 0.2, "popularity_recent": 0.4, "item_cf": 1.0, "two_tower": 1.0}
"""Weight of each channel in the merge: what knows the user counts more than what is popular. Not tuned."""
RANKER = "dcn"


def model_class(name: str) -> type[Model]:
    """The class behind a name."""
    room, place = ("recall", RECALL[name]) if name in RECALL else ("rank", RANK[name])
    module, _, kind = place.partition(":")
    found: type[Model] = getattr(import_module(f"models.{room}.{module}"), kind)
    return found
