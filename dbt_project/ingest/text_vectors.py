"""The landed vectors of films' texts: raw/embeddings/movie_text.parquet, which dbt reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.workspace import Workspace

DEFAULT = "tfidf-svd"
"""The model that needs nothing but the texts."""
SCHEMA = pa.schema(
    [
        ("movie_id", pa.int64()),
        ("model", pa.string()),
        ("dimensions", pa.int32()),
        ("text_hash", pa.string()),
        ("embedding", pa.list_(pa.float32())),
    ]
)


def vectors_file(space: Workspace) -> Path:
    """Where the vectors of the landed films lie."""
    return space.embeddings / "movie_text.parquet"


def land_vectors(space: Workspace, model: str, movie_ids: list[int], hashes: list[str], vectors: np.ndarray) -> Path:
    """Land the vectors (n, d) float32 of n films by one rename, in place of those that were landed before.

    The same vectors once more leave the file as it is, so that the next build may append.
    """
    table = pa.table(
        {
            "movie_id": movie_ids,
            "model": [model] * len(movie_ids),
            "dimensions": [vectors.shape[1]] * len(movie_ids),
            "text_hash": hashes,
            "embedding": list(vectors),
        },
        SCHEMA,
    )
    file = vectors_file(space)
    if file.exists() and pq.read_table(file).equals(table):
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    pq.write_table(table, aside, compression="zstd")
    aside.replace(file)
    return file


def landed_model(space: Workspace) -> str:
    """The model that made the landed vectors; "" where nothing was embedded."""
    file = vectors_file(space)
    models = pq.read_table(file, columns=["model"])["model"].unique().to_pylist() if file.exists() else []
    return models[0] if models else ""


def first_text_vectors(space: Workspace) -> None:
    """Land a file without rows where nothing was embedded: DuckDB reads no file that is not there."""
    if not vectors_file(space).exists():
        land_vectors(space, "", [], [], np.empty((0, 0), np.float32))


def drop_text_vectors(space: Workspace) -> None:
    """Remove what is landed: the films of another data set have other ids."""
    vectors_file(space).unlink(missing_ok=True)
