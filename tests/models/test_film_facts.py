"""What is known of films, as rows of numbers."""

import numpy as np
import pyarrow as pa

from models.ids import Ids
from models.recall.nn.film_facts import STEPS, TEXT, film_facts

CATALOGUE = pa.table({
    "movie_id": [30, 10, 20],
    "movie_year": [1994.0, None, 1890.0],
    "movie_genres": [[0, 2], [], [1]],
    "movie_text_embedding": [[0.6, 0.8], None, [1.0, 0.0]],
})  # fmt: skip


def test_facts_are_of_the_film_of_their_row() -> None:
    facts = film_facts(CATALOGUE, Ids(np.array([20, 10, 99, 30])), ["genres", "year", "text"])
    assert facts.shape == (4, 3 + STEPS + 2)
    genres, years, text = np.split(facts, [3, 3 + STEPS], axis=1)
    assert genres.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]]
    assert years.argmax(axis=1)[[0, 3]].tolist() == [0, (1994 - 1920) // 5]
    assert years.sum(axis=1).tolist() == [1, 0, 0, 1]
    assert np.allclose(text, TEXT * np.array([[1, 0], [0, 0], [0, 0], [0.6, 0.8]]))


def test_only_what_is_wanted_is_told() -> None:
    films = Ids(np.array([10, 20, 30]))
    assert film_facts(CATALOGUE, films, []).shape == (3, 0)
    assert film_facts(CATALOGUE, films, ["year"]).shape == (3, STEPS)
    assert film_facts(CATALOGUE.slice(0, 0), films, ["genres"]).shape == (3, 0)
