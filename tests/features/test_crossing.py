"""Crossed features against a loop over rows."""

import math

import numpy as np
import pandas as pd

from feature_repo.crossing import cross_features


def test_each_row_is_the_mean_over_the_films_genres() -> None:
    rng = np.random.default_rng(0)
    count = 50
    affinity = [rng.normal(size=6).astype(np.float32) if rng.random() < 0.8 else None for _ in range(count)]
    share = [None if a is None else np.abs(a) for a in affinity]
    genres = [
        rng.choice(8, size=rng.integers(0, 4), replace=False) if rng.random() < 0.9 else None for _ in range(count)
    ]
    frame = pd.DataFrame(
        {
            "user_genre_affinity": affinity,
            "user_genre_share": share,
            "movie_genres": genres,
            "user_mean_rating": [None if a is None else 3.0 for a in affinity],
            "movie_mean_rating": [4.5] * count,
            "movie_count_ratings": [9] * count,
            "movie_count_ratings_90d": [9] * count,
        }
    )
    result = cross_features(frame)
    for row in range(count):
        known = [g for g in genres[row] if g < 6] if genres[row] is not None and affinity[row] is not None else []
        for column, vectors in (("cross_genre_affinity", affinity), ("cross_genre_share", share)):
            got = result[column][row]
            if known:
                assert math.isclose(got, np.mean([vectors[row][g] for g in known]), rel_tol=1e-6)
            else:
                assert math.isnan(got)
        assert (
            math.isnan(result["cross_mean_difference"][row])
            if affinity[row] is None
            else (result["cross_mean_difference"][row] == 1.5)
        )
    assert np.allclose(result["cross_log_popularity"], math.log(10))


def test_all_unknown_gives_all_unknown() -> None:
    names = ["user_genre_affinity", "user_genre_share", "movie_genres", "user_mean_rating", "movie_mean_rating"]
    frame = pd.DataFrame(
        {name: [None, None] for name in [*names, "movie_count_ratings", "movie_count_ratings_90d"]}, dtype=object
    )
    assert cross_features(frame).isna().all().all()
