"""Every vector that was ever made, at full length: raw/embeddings/vectors.sqlite, the golden source of what is landed.

A vector is found again by the hash of model, length and text, so an unchanged text is never paid for twice. Batches are
kept as they come: a run that is killed goes on where it was.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from dbt_project.errors import CineFeastError
from dbt_project.ingest.embeddings.embedder import Embedder
from dbt_project.workspace import Workspace

TABLE = "create table if not exists vectors (key text primary key, model text not null, vector blob not null) strict"
ASKED = 500
"""Keys of one query; SQLite takes no more than some thousand."""


class VectorCache:
    """An open cache."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def put(self, model: str, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Keep vectors (n, length) float32; they are on disk when the call returns."""
        rows = [(key, model, vector.astype("<f4").tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        with self.connection:
            self.connection.executemany("insert or replace into vectors values (?, ?, ?)", rows)

    def get(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors that are there, by key."""
        found = {}
        for start in range(0, len(keys), ASKED):
            some = keys[start : start + ASKED]
            query = f"select key, vector from vectors where key in ({', '.join('?' * len(some))})"
            for key, vector in self.connection.execute(query, some):
                found[key] = np.frombuffer(vector, "<f4")
        return found


@contextmanager
def open_cache(space: Workspace) -> Iterator[VectorCache]:
    """The workspace's cache, made where there is none."""
    space.embeddings.mkdir(parents=True, exist_ok=True)
    path = space.embeddings / "vectors.sqlite"
    connection = sqlite3.connect(path)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute(TABLE)
        yield VectorCache(connection)
    except sqlite3.DatabaseError as error:
        raise CineFeastError(f"{path} cannot be used: {error}", f"mv {path} {path}.bad") from None
    finally:
        connection.close()


def key_of(embedder: Embedder, text: str) -> str:
    """The hash of model, length and text."""
    return hashlib.sha256(f"{embedder.model}\n{embedder.length}\n{text}".encode()).hexdigest()
