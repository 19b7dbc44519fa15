"""Shorter vectors from full ones: a step of its own, that needs no model and may be run again at any length."""

from typing import Literal

import duckdb
import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from dbt_project.errors import CineFeastError
from dbt_project.sql_macros import shared_rule
from dbt_project.sql_paths import path_literal
from dbt_project.workspace import Workspace

Reduction = Literal["pca", "truncate"]
MATRYOSHKA = ("text-embedding-3", "nomic-embed-text-v1.5", "mxbai-embed-large", "jina-embeddings-v3", "qwen3-embedding")
"""Parts of the names of models whose vectors may be cut short, being trained for it (Kusupati et al., 2022)."""


def reduce(vectors: np.ndarray, is_training: np.ndarray, dimensions: int, how: Reduction) -> np.ndarray:
    """Vectors (n, dimensions) float32 of length 1 from (n, length); shorter ones keep their width.

    is_training: (n,) the films that PCA is fitted on. See `check_reduction` for what is not possible.
    """
    if vectors.shape[1] <= dimensions:
        return np.asarray(normalize(vectors), np.float32)
    if how == "truncate":
        return np.asarray(normalize(vectors[:, :dimensions]), np.float32)
    pca = PCA(dimensions, svd_solver="covariance_eigh").fit(normalize(vectors[is_training]))
    return np.asarray(normalize(pca.transform(normalize(vectors))), np.float32)


def check_reduction(length: int, dimensions: int, how: Reduction, model: str, training: int) -> None:
    """CineFeastError for PCA on fewer training films than dimensions, and for cutting what no model was trained for."""
    if length <= dimensions:
        return
    if how == "truncate" and not any(name in model.lower() for name in MATRYOSHKA):
        raise CineFeastError(f"the first numbers of a vector of {model} mean nothing alone", "give --reduce pca")
    if how == "pca" and training < dimensions:
        films = f"{training:,} training films cannot give {dimensions} dimensions"
        raise CineFeastError(films, f"give --dimensions {training}" if training > 1 else "cinefeast fetch ml-100k")


def training_films(space: Workspace) -> set[int]:
    """Films with one of the landed ratings before dbt's validation split by time.

    All ratings in range count, where dbt also leaves out repetitions and ratings of unknown films.
    """
    ratings = path_literal(space.raw_movielens / "ratings.parquet")
    user, movie = (f"({shared_rule('whole_number', name)})" for name in ("user_id", "movie_id"))
    moment = shared_rule("moment_of_seconds", "timestamp")
    problem = shared_rule(
        "rating_problem", user, movie, "try_cast(rating as float)", moment, shared_rule("this_moment")
    )
    validation = f"{shared_rule('split_moments', 'rated_at')}[1]"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            with ratings as (
                select {movie} as movie_id, {moment} as rated_at
                from read_parquet({ratings})
                where malformed_line is null and ({problem}) is null
            )
            select distinct movie_id from ratings
            where rated_at < (select {validation} from ratings)
            """
        ).fetchall()
    return {movie_id for (movie_id,) in rows}
