"""Films similar to a film."""

import numpy as np
import pyarrow as pa

from models.columns import integers
from models.ids import Ids
from models.recall.content.content import ContentConfig, nearest
from models.recall.neighbours.neighbours import Neighbours
from models.recall.search.vectors import VectorRecaller
from models.two_stage import TwoStage
from serving.pipeline.catalogue import FilmCatalogue
from serving.pipeline.rerank import RankedCandidates

NEAREST = 200
"""Films near to one by vectors that are looked at."""
NEIGHBOURS = 10
"""Films whose places make that of one that no model was trained on."""
VectorSpace = tuple[Ids, np.ndarray]


def vector_space(models: TwoStage) -> VectorSpace:
    """Vectors (m, d) of the films of the first channel that compares vectors, and whose they are; none without one."""
    found = next((c for c in models.channels.values() if isinstance(c, VectorRecaller)), None)
    return (found.films, found.vectors) if found else (Ids(np.empty(0, np.int64)), np.zeros((1, 1), np.float32))


def placed_by_content(space: VectorSpace, catalogue: pa.Table) -> VectorSpace:
    """The space with the other films of the catalogue in it: each at the mean of those nearest to it by content.

    Gantner et al., Learning attribute-to-feature mappings for cold-start recommendations (ICDM 2010): k nearest
    neighbours. A film of whose content nothing is known gets zeros, and so no place.
    """
    placed, vectors = space
    ids = integers(catalogue, "movie_id")
    rows = placed.rows(ids)
    new = np.flatnonzero(rows < 0)
    if not len(new) or not len(placed):
        return space
    config = ContentConfig.read("content").changed({"neighbours": NEIGHBOURS})
    near = nearest(catalogue, config, new)[:, rows >= 0]
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    found = near @ (vectors / length)[rows[rows >= 0]]
    return Ids(np.concatenate([placed.values, ids[new]])), np.concatenate([vectors, found.astype(np.float32)])


def similar_by_channel(models: TwoStage, films: FilmCatalogue, movie_id: int) -> dict[str, np.ndarray]:
    """Films near to one, nearest first: by what channels of neighbours kept, and by the vectors."""
    found: dict[str, np.ndarray] = {}
    for name, channel in models.channels.items():
        if isinstance(channel, Neighbours):
            row = int(channel.films.rows(np.array([movie_id]))[0])
            likeness = channel.similar[max(row, 0)].toarray()[0]
            order = np.argsort(-likeness, kind="stable")
            found[name] = channel.films.values[order[likeness[order] > 0]] if row >= 0 else np.empty(0, np.int64)
    row = int(films.ids.rows(np.array([movie_id]))[0])
    likeness = films.vectors @ films.vectors[row]
    order = np.argsort(-likeness, kind="stable")[: NEAREST + 1]
    found["vectors"] = films.ids.values[order[likeness[order] > 0]]
    return found


def similar_items(models: TwoStage, films: FilmCatalogue, movie_id: int) -> RankedCandidates:
    """The lists of `similar_by_channel` as one, by reciprocal ranks."""
    lists = {name: found for name, found in similar_by_channel(models, films, movie_id).items() if len(found)}
    ids = np.unique(np.concatenate([*lists.values(), np.empty(0, np.int64)]))
    ranks = {name: rank_of(found, ids) for name, found in lists.items()}
    scores = sum((np.where(r > 0, 1.0 / (models.merging.rrf + r), 0.0) for r in ranks.values()), np.zeros(len(ids)))
    order = np.argsort(-scores, kind="stable")
    return RankedCandidates(ids[order], scores[order], {name: rank[order] for name, rank in ranks.items()})


def rank_of(found: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The place of each of `ids` (c,) in a list, 1 for its first, 0 for none."""
    return Ids(found).rows(ids) + 1
