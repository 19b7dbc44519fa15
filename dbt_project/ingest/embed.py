"""`cinefeast embed`: a vector of each landed film's text, into raw/embeddings."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbt_project.ingest.embeddings.cache import key_of, open_cache
from dbt_project.ingest.embeddings.embedder import Embedder
from dbt_project.ingest.embeddings.reduction import Reduction, check_reduction, reduce, training_films
from dbt_project.ingest.film_texts import film_texts
from dbt_project.ingest.landing import raw_directory
from dbt_project.ingest.text_vectors import DEFAULT, land_vectors
from dbt_project.ingest.tfidf import text_vectors
from dbt_project.workspace import Workspace


@dataclass(frozen=True)
class Embedded:
    """Where the vectors were landed, by which model, their width, how many films there are and how many have one."""

    file: Path
    model: str
    dimensions: int
    films: int
    vectors: int


def embed(space: Workspace, dimensions: int) -> Embedded:
    """Land vectors (n, dimensions) of the landed films' texts; CineFeastError where no films are landed.

    The default, which needs nothing but the texts. Every film's text teaches the words' weights, so a film that is
    landed later changes all vectors a little; they stay in one space, see `text_vectors.turned`.
    """
    texts = film_texts(space)
    vectors = text_vectors(list(texts.values()), dimensions)
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    with raw_directory(space):
        return land(space, DEFAULT, texts, [list(texts)[row] for row in known], vectors[known])


def embed_by(
    space: Workspace, dimensions: int, embedder: Embedder, how: Reduction = "pca", tell: Callable[[str], None] = print
) -> Embedded:
    """Land vectors (n, dimensions) made by a model of each text alone, reduced from its full length.

    Texts that were embedded before are read from the cache. What the others will cost is told before it starts.
    Raises CineFeastError where no films are landed, and for what the embedder and the reduction raise.
    """
    texts = film_texts(space)
    with raw_directory(space):
        training = training_films(space)
        is_training = np.array([movie_id in training for movie_id in texts])
        check_reduction(embedder.length, dimensions, how, embedder.model, int(is_training.sum()))  # before it costs
        full = full_vectors(space, list(texts.values()), embedder, tell)
        reduced = reduce(full, is_training, dimensions, how)
        name = embedder.model if full.shape[1] <= dimensions else f"{embedder.model}, {how}"
        return land(space, name, texts, list(texts), reduced)


def full_vectors(space: Workspace, texts: Sequence[str], embedder: Embedder, tell: Callable[[str], None]) -> np.ndarray:
    """The vectors (n, length) of the texts, made where the cache has none."""
    keys = [key_of(embedder, text) for text in texts]
    with open_cache(space) as cache:
        missing = dict(zip(keys, texts, strict=True))
        for key in cache.get(list(missing)):
            del missing[key]
        tell(f"{len(set(keys)) - len(missing):,} texts are embedded by {embedder.model} already")
        if missing:
            tell(embedder.estimate(list(missing.values())))
            asked = list(missing)
            embedder.embed(
                list(missing.values()),
                lambda positions, vectors: cache.put(embedder.model, [asked[at] for at in positions], vectors),
            )
        found = cache.get(list(dict.fromkeys(keys)))
    return np.stack([found[key] for key in keys])


def land(space: Workspace, model: str, texts: dict[int, str], movie_ids: list[int], vectors: np.ndarray) -> Embedded:
    """Land the vectors of these films with the hashes of their texts."""
    hashes = [hashlib.sha256(texts[movie_id].encode()).hexdigest() for movie_id in movie_ids]
    file = land_vectors(space, model, movie_ids, hashes, vectors)
    return Embedded(file, model, vectors.shape[1], len(texts), len(movie_ids))
