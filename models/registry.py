"""Which models there are: a name is a configuration in configs/, a directory of artifacts, a channel in answers."""

from importlib import import_module

from models.artifacts import Model
from models.recall.merging import Merging

RECALL = {
    "popularity": "popularity:Popularity",
    "popularity_recent": "popularity:Popularity",
    "popularity_trending": "popularity_trending:Trending",
    "popularity_genre": "popularity_genre:GenrePopularity",
    "item_cf": "item_cf:ItemCF",
    "item_cf_order": "item_cf_order:ItemCFOrder",
    "user_cf": "user_cf:UserCF",
    "ease": "ease:Ease",
    "ials": "ials:Ials",
    "two_tower": "two_tower:TwoTower",
    "sequence": "sequence:Sequence",
    "sequence_order": "sequence:Sequence",
    "light_gcn": "light_gcn:LightGCN",
    "mind": "mind:Mind",
    "content": "content:Content",
}
"""Recall channels: module and class in models.recall, imported only when asked for, as some bring torch."""
RANK = {
    "unified": "unified:UnifiedRanker",
    "dcn": "dcn:DCN",
    "deepfm": "deepfm:DeepFM",
    "lambdamart": "boosting:Boosting",
    "logistic": "logistic:Logistic",
}
"""Rankers: module and class in models.rank."""

MERGE = Merging.read()
"""How what the channels bring becomes one list: configs/merge.toml."""
CHANNELS = tuple(MERGE.channels)
"""The channels that are merged and served; the others are trained when they are named."""
RANKER = "unified"
"""The ranker that is served; the others are trained when they are named, and stand beside it in docs/ranking.md."""


def model_class(name: str) -> type[Model]:
    """The class behind a name."""
    room, place = ("recall", RECALL[name]) if name in RECALL else ("rank", RANK[name])
    module, _, kind = place.partition(":")
    found: type[Model] = getattr(import_module(f"models.{room}.{module}"), kind)
    return found
