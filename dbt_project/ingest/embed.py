"""`cinefeast embed`: a vector of each landed film's text, into raw/embeddings."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbt_project.ingest.film_texts import film_texts
from dbt_project.ingest.landing import raw_directory
from dbt_project.ingest.text_vectors import land_vectors
from dbt_project.ingest.tfidf import text_vectors
from dbt_project.workspace import Workspace

MODEL = "tfidf-svd"


@dataclass(frozen=True)
class Embedded:
    """Where the vectors were landed, by which model, and how many films there are and how many have one."""

    file: Path
    model: str
    films: int
    vectors: int


def embed(space: Workspace, dimensions: int) -> Embedded:
    """Land vectors (n, dimensions) of the landed films' texts; CineFeastError where no films are landed.

    Every film's text teaches the words' weights, so a film that is landed later changes all vectors a little.
    """
    texts = film_texts(space)
    vectors = text_vectors(list(texts.values()), dimensions)
    movie_ids = np.array(list(texts))
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    hashes = [hashlib.sha256(texts[movie_id].encode()).hexdigest() for movie_id in movie_ids[known].tolist()]
    with raw_directory(space):
        file = land_vectors(space, MODEL, movie_ids[known].tolist(), hashes, vectors[known])
    return Embedded(file, MODEL, len(texts), len(known))
