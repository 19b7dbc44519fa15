"""What is known of films before anyone has rated them, as one row of numbers a film."""

from typing import Literal

import numpy as np
import pyarrow as pa

from models.columns import integers, multi_hot, numbers, ragged, shares
from models.ids import Ids

Fact = Literal["genres", "year", "text"]
FIRST, STEP, STEPS = 1920, 5, 22
"""Years are told by lustrum, what lies outside by the first or the last."""
TEXT = 3.0
"""The length of a text's vector beside the ones of genres and year, so that neither drowns the other."""


def film_facts(catalogue: pa.Table, films: Ids, wanted: list[Fact]) -> np.ndarray:
    """Facts (m, w) float32 of `films`, by the columns of a catalogue; zeros where one is not known."""
    blocks = [np.empty((catalogue.num_rows, 0), np.float32)]
    if "genres" in wanted:
        genres = 1 + int(ragged(catalogue, "movie_genres")[0].max(initial=-1))
        blocks.append(multi_hot(catalogue, "movie_genres", genres))
    if "year" in wanted:
        year = numbers(catalogue, "movie_year")
        lustrum = np.clip((np.nan_to_num(year) - FIRST) // STEP, 0, STEPS - 1)
        blocks.append(((np.arange(STEPS) == lustrum[:, None]) & ~np.isnan(year)[:, None]).astype(np.float32))
    if "text" in wanted:
        width = int(np.diff(ragged(catalogue, "movie_text_embedding")[1]).max(initial=0))
        blocks.append(TEXT * shares(catalogue, "movie_text_embedding", width))
    facts = np.concatenate(blocks, axis=1).astype(np.float32)
    rows = Ids(integers(catalogue, "movie_id")).rows(films.values)
    found = np.zeros((len(films), facts.shape[1]), np.float32)
    found[rows >= 0] = facts[rows[rows >= 0]]
    return found
