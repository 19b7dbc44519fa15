"""What the ranker was trained on, a sample of it, kept beside the models: what is served is compared with it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbt_project.durable import written_aside
from models.rank.config import InputConfig
from models.rank.samples.pairs import Pairs

FILE = "trained_on.parquet"
ROWS = 5_000


def keep(pairs: Pairs, inputs: InputConfig, folder: Path) -> None:
    """Write the features of at most ROWS of the pairs, whole or not at all: a column a feature of a user or a film.

    Numbers are float64, whatever they were, so that they compare with what an online store hands out.
    """
    count = len(pairs.user)
    rows = np.sort(np.random.default_rng(0).choice(count, min(count, ROWS), replace=False))
    of_user = [*inputs.user_counts, *inputs.user_numbers, *inputs.user_categories]
    of_film = [*inputs.film_counts, *inputs.film_numbers, *inputs.film_categories]
    columns = {name: comparable(pairs.users[name].take(pa.array(pairs.user[rows]))) for name in of_user}
    columns |= {name: comparable(pairs.films[name].take(pa.array(pairs.film[rows]))) for name in of_film}
    with written_aside(folder / FILE) as part:
        pq.write_table(pa.table(columns), part, compression="zstd")


def read(folder: Path) -> pa.Table | None:
    """The sample; None where the models were trained without one."""
    path = folder / FILE
    return pq.read_table(path) if path.exists() else None


def comparable(column: pa.ChunkedArray) -> pa.Array:
    """One array, of float64 or text."""
    values = column.combine_chunks()
    values = pa.concat_arrays(values.chunks) if isinstance(values, pa.ChunkedArray) else values
    return values if pa.types.is_string(values.type) else values.cast(pa.float64())
