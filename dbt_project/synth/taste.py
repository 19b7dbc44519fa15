"""The space of tastes: films, users and topics are vectors in it, and a topic is a way to choose films.

A film's vector is that of its genres plus something of its own. A topic is a direction near a pair of genres. Who
browses a topic meets each film in proportion to popularity * exp(PULL * film . topic).
"""

from dataclasses import dataclass

import numpy as np

DIMENSIONS = 16
TOPICS = 48
POPULAR, DEEP, ANY = TOPICS, TOPICS + 1, TOPICS + 2  # choices without taste: by popularity, by its root, evenly
PULL = 2.0
OWN = 0.6  # how much of a film's vector is not its genres'


@dataclass(frozen=True)
class TasteSpace:
    """genres: (genres, d); topics: (TOPICS, d), unit length; commonness: (TOPICS,), how many users like each."""

    genres: np.ndarray
    topics: np.ndarray
    commonness: np.ndarray


def make_space(genres: int, rng: np.random.Generator) -> TasteSpace:
    """A space with a vector for each of `genres` genres."""
    vectors = rng.standard_normal((genres, DIMENSIONS)).astype(np.float32)
    first, second = rng.integers(0, genres, (2, TOPICS))
    topics = vectors[first] + 0.6 * vectors[second] + 0.8 * rng.standard_normal((TOPICS, DIMENSIONS), np.float32)
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    commonness = 1 / np.arange(3, TOPICS + 3)
    return TasteSpace(vectors, topics.astype(np.float32), commonness / commonness.sum())


def film_vectors(space: TasteSpace, has_genre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(films, d) from has_genre (films, genres); each coordinate has about unit variance."""
    count = np.maximum(has_genre.sum(axis=1, keepdims=True), 1)
    of_genres = has_genre.astype(np.float32) @ space.genres / np.sqrt(count, dtype=np.float32)
    own = rng.standard_normal((len(has_genre), DIMENSIONS), np.float32)
    return np.sqrt(1 - OWN**2, dtype=np.float32) * of_genres + np.float32(OWN) * own


def cumulative_weights(space: TasteSpace, vectors: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """(TOPICS + 3, films + 1): row k, difference i is film i's weight in topic k; column 0 is 0.

    Films stand in the order in which the catalogue got them, so the films known at a moment are a prefix, and a
    draw among them is a search for uniform * row[prefix].
    """
    cumulative = np.zeros((TOPICS + 3, len(vectors) + 1))
    for topic, direction in enumerate(space.topics):
        np.cumsum(popularity * np.exp(PULL * (vectors @ direction)), out=cumulative[topic, 1:])
    for row, flatness in ((POPULAR, 1.0), (DEEP, 0.85), (ANY, 0.25)):
        np.cumsum(popularity**flatness, out=cumulative[row, 1:])
    return cumulative
