"""Each kind of negative against a plain list of what may be drawn, and that all of it is."""

from typing import Any

import numpy as np
import pytest

from models.recall.nn.negatives import Kinds, Negatives, Ratings

FILMS, LOW, POPULAR, WINDOW = 15, 2.0, 5, 3
USERS = 6


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    """60 ratings of 6 users, in no order; films 13 and 14 without any, film 0 is none."""
    rng = np.random.default_rng(3)
    pairs = np.array([(user, film) for user in range(USERS) for film in range(1, 13)])
    pairs = pairs[rng.permutation(len(pairs))[:40]]
    pairs = pairs[rng.random(40) < np.where(pairs[:, 1] < 5, 1, 0.7)]
    n = len(pairs)
    return Ratings(pairs[:, 0] * 100, pairs[:, 1], rng.integers(1, 6, n).astype(float), rng.permutation(n))


@pytest.fixture(scope="module")
def genres() -> np.ndarray:
    one_hot = np.random.default_rng(4).random((FILMS, 3)) < 0.4
    one_hot[0] = False
    one_hot[1] = False  # a film without a genre
    return one_hot.astype(np.float32)


@pytest.fixture(scope="module")
def negatives(ratings: Ratings, genres: np.ndarray) -> Negatives:
    return Negatives(ratings, genres, Kinds(1, 1, 1, 1), LOW, POPULAR, WINDOW)


def count(ratings: Ratings, film: int) -> int:
    return int((ratings.film == film).sum())


def low_rated(ratings: Ratings, genres: Any, row: int) -> set[int]:
    return {
        int(f) for u, f, r in zip(ratings.user, ratings.film, ratings.rating, strict=True)
        if u == ratings.user[row] and r <= LOW
    }  # fmt: skip


def popular(ratings: Ratings, genres: Any, row: int) -> set[int]:
    ranked = sorted(range(1, FILMS), key=lambda film: (-count(ratings, film), film))[:POPULAR]
    return set(ranked) - {int(f) for u, f in zip(ratings.user, ratings.film, strict=True) if u == ratings.user[row]}


def same_genre(ratings: Ratings, genres: np.ndarray, row: int) -> set[int]:
    film = ratings.film[row]
    return {
        other for other in range(1, FILMS)
        if (genres[other] * genres[film]).any() and 0 < count(ratings, other) < count(ratings, film)
    }  # fmt: skip


def stale(ratings: Ratings, genres: Any, row: int) -> set[int]:
    mine = [i for i in np.argsort(ratings.order) if ratings.user[i] == ratings.user[row]]
    return {int(ratings.film[i]) for i in mine[: max(mine.index(row) - WINDOW, 0)]}


@pytest.mark.parametrize("oracle", [low_rated, popular, same_genre, stale])
def test_draws_are_all_that_may_be_drawn(oracle: Any, ratings: Ratings, genres: Any, negatives: Negatives) -> None:
    rows = np.arange(len(ratings.film))
    drawn = getattr(negatives, oracle.__name__)(rows, 200, np.random.default_rng(0))
    assert drawn.shape == (len(rows), 200)
    wanted = [oracle(ratings, genres, row) for row in rows]
    assert any(wanted)
    for found, allowed in zip(drawn, wanted, strict=True):
        assert set(found) - {0} == allowed
        if not allowed:
            assert (found == 0).all()


def test_uniform_draws_rated_films_alike(ratings: Ratings, negatives: Negatives) -> None:
    drawn = negatives.uniform(24_000, np.random.default_rng(0))
    rated = np.unique(ratings.film)
    share = np.bincount(drawn, minlength=FILMS)[rated] / len(drawn)
    assert set(drawn) == set(rated)
    assert np.allclose(share, 1 / len(rated), atol=0.01)


def test_kinds_stand_side_by_side_and_the_seed_decides(ratings: Ratings, genres: np.ndarray) -> None:
    kinds = Negatives(ratings, genres, Kinds(2, 0, 1, 3), LOW, POPULAR, WINDOW)
    rows = np.array([0, 5, 9])
    drawn = kinds.hard(rows, np.random.default_rng(1))
    assert drawn.shape == (3, 6)
    assert np.array_equal(drawn, kinds.hard(rows, np.random.default_rng(1)))
    none = Negatives(ratings, genres, Kinds(0, 0, 0, 0), LOW, POPULAR, WINDOW)
    assert none.hard(rows, np.random.default_rng(1)).shape == (3, 0)


def test_nothing_low_rated_draws_nothing(ratings: Ratings, genres: np.ndarray) -> None:
    liked = Negatives(ratings, genres, Kinds(1, 0, 0, 0), 0.0, POPULAR, WINDOW)
    assert (liked.low_rated(np.arange(5), 3, np.random.default_rng(0)) == 0).all()
