"""Which models there are: a name is a configuration in configs/, a directory of artifacts, a channel in answers."""

from models.artifacts import Model

CHANNELS = ("popularity", "popularity_recent", "item_cf", "two_tower")
RANKER = "dcn"
WEIGHTS = {"popularity": 0.2, "popularity_recent": 0.4, "item_cf": 1.0, "two_tower": 1.0}
"""Weight of each channel in the merge: what knows the user counts more than what is popular. Not tuned."""


def model_class(name: str) -> type[Model]:
    """The class behind a name; torch is imported only when a model that needs it is asked for."""
    if name.startswith("popularity"):
        from models.recall.popularity import Popularity

        return Popularity
    if name == "item_cf":
        from models.recall.item_cf import ItemCF

        return ItemCF
    if name == "two_tower":
        from models.recall.two_tower import TwoTower

        return TwoTower
    from models.rank.dcn import DCN

    return DCN
