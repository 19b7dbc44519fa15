"""The landed vectors of films' texts: raw/embeddings/movie_text.parquet, which dbt reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.linalg import orthogonal_procrustes

from dbt_project.workspace import Workspace

DEFAULT = "tfidf-svd"
"""The model that needs nothing but the texts."""
SAME = 1e-5
"""What rounding may make of a number that is the same."""
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

    They are turned to where those were, see `turned`. The same vectors once more leave the file as it is, so that the
    next build may append.
    """
    file = vectors_file(space)
    before = pq.read_table(file) if file.exists() else SCHEMA.empty_table()
    vectors = turned(vectors, movie_ids, before.filter(pc.equal(before["model"], model)))
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
    if file.exists() and before.equals(table):
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    pq.write_table(table, aside, compression="zstd")
    aside.replace(file)
    return file


def turned(vectors: np.ndarray, movie_ids: list[int], before: pa.Table) -> np.ndarray:
    """Vectors (n, d) in the space of those of before, so that a trained model goes on to read what it learned from.

    An SVD fixes no axes: of one text more all of them may turn, though films stand to each other as they did. The
    rotation that brings films which were there before nearest to where they were changes no cosine (Schönemann, A
    generalized solution of the orthogonal Procrustes problem, Psychometrika 1966). Too few of them fix none.
    """
    known = dict(zip(before["movie_id"].to_pylist(), before["embedding"].to_pylist(), strict=True))
    rows = [row for row, movie_id in enumerate(movie_ids) if len(known.get(movie_id, ())) == vectors.shape[1]]
    if len(rows) < vectors.shape[1] or not rows:
        return vectors
    now, then = vectors[rows].astype(np.float64), np.array([known[movie_ids[row]] for row in rows])
    rotation, _ = orthogonal_procrustes(now, then)
    found = (vectors @ rotation).astype(np.float32)
    if len(rows) == len(known) == len(vectors) and np.allclose(found, then, atol=SAME):
        return then.astype(np.float32)
    return found


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
