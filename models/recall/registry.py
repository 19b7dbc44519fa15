"""Which recall channels there are: a name is a configuration in configs/, an artifact, a channel in answers."""

from models.recall.merging import Merging

RECALL = {
    "popularity": "charts.popularity:Popularity",
    "popularity_recent": "charts.popularity:Popularity",
    "popularity_trending": "charts.trending:Trending",
    "popularity_genre": "charts.genre:GenrePopularity",
    "item_cf": "neighbours.item_cf:ItemCF",
    "item_cf_order": "neighbours.item_cf_order:ItemCFOrder",
    "user_cf": "neighbours.user_cf:UserCF",
    "ease": "linear.ease:Ease",
    "ials": "linear.ials:Ials",
    "two_tower": "two_tower.model:TwoTower",
    "sequence": "sequence.model:Sequence",
    "sequence_order": "sequence.model:Sequence",
    "light_gcn": "graph.light_gcn:LightGCN",
    "mind": "interests.mind:Mind",
    "content": "content.content:Content",
}
"""Recall channels: module and class in models.recall, imported only when asked for, as some bring torch."""

MERGE = Merging.read()
"""How what the channels bring becomes one list: configs/merge.toml."""
