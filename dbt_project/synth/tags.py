"""The tags that users give to films: few users tag, some of them a lot."""

import numpy as np
import pyarrow as pa

from dbt_project.synth.arrays import count_up
from dbt_project.synth.films import SyntheticFilms
from dbt_project.synth.presets import Preset
from dbt_project.synth.ratings import SyntheticRatings
from dbt_project.synth.texts import FILM_KEYWORDS, Texts
from dbt_project.synth.words import KEYWORDS

TAGGERS = 0.08  # share of users
SOON = 600  # seconds after the rating, at most


def make_tag_counts(preset: Preset, ratings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(users,) how many tags each user gives, `preset.tags` in all; who rated more tags more."""
    order = rng.permutation(len(ratings))
    is_tagger = np.zeros(len(ratings), bool)
    is_tagger[order[: int(np.ceil(TAGGERS * len(ratings)))]] = True
    weight = np.where(is_tagger, (1 + rng.pareto(1.2, len(ratings))) * ratings, 0)
    most = np.where(is_tagger, ratings * (FILM_KEYWORDS // 2), 0)
    counts = np.zeros(len(ratings), np.int64)
    while left := preset.tags - counts.sum():
        share = np.where(counts < most, weight, 0)
        assert share.any(), f"{left} of {preset.tags} tags left and nobody to give them"
        share = np.ceil(left * share / share.sum()).astype(np.int64)
        before = np.cumsum(share) - share  # rounded up, the shares are too many: the last users get less
        counts = np.minimum(counts + np.clip(left - before, 0, share), most)
    return counts


def tags_table(
    made: SyntheticRatings, counts: np.ndarray, films: SyntheticFilms, texts: Texts, rng: np.random.Generator
) -> pa.Table:
    """tags.csv of a range of users: keywords of films that they rated, soon after the rating, none twice.

    A user's pairs of rating and keyword are cut into as many even strips as the user gives tags; each strip gives one.
    """
    users, first, rated = np.unique(made.user, return_index=True, return_counts=True)
    many = counts[users]
    owner = np.repeat(np.arange(len(users)), many)
    number, strips, pairs = count_up(many), many[owner], rated[owner] * FILM_KEYWORDS
    low, high = number * pairs // strips, (number + 1) * pairs // strips
    pair = low + (rng.random(len(owner)) * (high - low)).astype(np.int64)
    row = first[owner] + pair // FILM_KEYWORDS
    film = made.film[row]
    return pa.table({
        "userId": users[owner] + 1,
        "movieId": films.movie_id[film],
        "tag": pa.array(KEYWORDS).take(pa.array(texts.keywords[film, pair % FILM_KEYWORDS])),
        "timestamp": made.at[row] + rng.integers(5, SOON, len(row)),
    })  # fmt: skip
