"""Who made the films: directors and casts, numbers of people who each keep to one genre; a few of them work much."""

import numpy as np

CAST = 12
DIRECTORS_A_FILM, ACTORS_A_FILM = 0.35, 1.8  # people in all, to films
NO_DIRECTOR, NO_CAST = 0.07, 0.02
LEADS = 3
FEW_WORK_MUCH = 2.2


def make_directors(genre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(films,) the director's number, -1 for none, from each film's main genre."""
    director = pick(genre, (len(genre), 1), DIRECTORS_A_FILM, rng)[:, 0]
    return np.where(rng.random(len(genre)) < NO_DIRECTOR, -1, director)


def make_casts(genre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(films, CAST) the actors' numbers in the order of the credits, LEADS or more of them, then -1."""
    size = rng.integers(LEADS, CAST + 1, len(genre))
    size[rng.random(len(genre)) < NO_CAST] = 0
    return np.where(np.arange(CAST) < size[:, None], pick(genre, (len(genre), CAST), ACTORS_A_FILM, rng), -1)


def pick(genre: np.ndarray, shape: tuple[int, int], per_film: float, rng: np.random.Generator) -> np.ndarray:
    """People of each film's genre; a genre has `per_film` of them a film."""
    pool = np.maximum((np.bincount(genre) * per_film).astype(np.int64), 5)
    first = np.cumsum(pool) - pool
    return first[genre][:, None] + (pool[genre][:, None] * rng.random(shape) ** FEW_WORK_MUCH).astype(np.int64)


def make_quality(director: np.ndarray, cast: np.ndarray, rank: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(films,) stars above the mean film: the skill of director and leads, being well known (rank 1), and chance."""
    skill = rng.standard_normal(director.max() + 2)  # the last one is that of number -1
    talent = rng.standard_normal(cast.max() + 2)
    known = -np.log(rank / len(rank)) - 1
    chance = rng.standard_normal(len(rank))
    return 0.2 * skill[director] + 0.16 * talent[cast[:, :LEADS]].mean(axis=1) + 0.12 * known + 0.28 * chance
