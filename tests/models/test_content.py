"""The content channel against a slow oracle, and on films of which little is known."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.dataset import Dataset
from models.recall.content.content import Content, ContentConfig, nearest
from tests.models.conftest import untrained
from tests.models.synthetic import GROUPS, PER_GROUP, PlantedStore, group_of, planted

CONFIG = ContentConfig.read("content")
LISTS = {
    "movie_director_ids": "directors",
    "movie_cast_ids": "cast",
    "movie_keyword_ids": "keywords",
    "movie_genres": "genres",
}


def catalogue(**columns: Any) -> pa.Table:
    """Films of which only these columns are known."""
    n = len(next(iter(columns.values())))
    kinds = {name: pa.list_(pa.int64()) for name in LISTS}
    kinds |= {"movie_text_embedding": pa.list_(pa.float32()), "movie_year": pa.int64()}
    return pa.table({name: pa.array(columns.get(name, [None] * n), kind) for name, kind in kinds.items()})


def slow_similarity(films: pa.Table, config: ContentConfig) -> np.ndarray:
    """The weighted mean of cosines of every two films, pair by pair, to the power."""
    rows = films.to_pylist()
    n, weights = len(rows), config.model_dump()
    spread = {name: Counter(i for row in rows for i in set(row[name] or ())) for name in LISTS}
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            one, other, total = rows[a], rows[b], 0.0
            if a == b:
                continue
            for name, weight in LISTS.items():
                rarity = [{i: math.log(n / spread[name][i]) for i in row[name] or ()} for row in (one, other)]
                shared = sum(rarity[0][i] * rarity[1][i] for i in rarity[0].keys() & rarity[1].keys())
                lengths = [math.sqrt(sum(value**2 for value in of.values())) for of in rarity]
                total += weights[weight] * (shared / (lengths[0] * lengths[1]) if shared else 0.0)
            texts = one["movie_text_embedding"], other["movie_text_embedding"]
            if all(texts):
                total += config.text * float(np.dot(*texts) / np.linalg.norm(texts[0]) / np.linalg.norm(texts[1]))
            if None not in (one["movie_year"], other["movie_year"]):
                apart = (one["movie_year"] - other["movie_year"]) / config.years
                total += config.year * math.exp(-0.5 * apart**2)
            every = config.text + config.year + sum(weights[weight] for weight in LISTS.values())
            found[a, b] = max(total / every, 0.0) ** config.power
    return found


def random_films(n: int, seed: int) -> pa.Table:
    """Films with few people and keywords, some of everything not known."""
    rng = np.random.default_rng(seed)

    def some(values: int, most: int) -> list[int] | None:
        return rng.choice(values, rng.integers(1, most + 1), replace=False).tolist() if rng.random() < 0.8 else None

    return catalogue(
        movie_director_ids=[some(8, 2) for _ in range(n)],
        movie_cast_ids=[some(20, 5) for _ in range(n)],
        movie_keyword_ids=[some(15, 6) for _ in range(n)],
        movie_genres=[some(4, 2) for _ in range(n)],
        movie_text_embedding=[rng.normal(size=6).tolist() if rng.random() < 0.8 else None for _ in range(n)],
        movie_year=[int(rng.integers(1950, 2000)) if rng.random() < 0.9 else None for _ in range(n)],
    )


@pytest.mark.parametrize("seed", range(3))
def test_similarities_are_the_oracles(seed: int) -> None:
    films = random_films(40, seed)
    assert np.allclose(nearest(films, CONFIG).toarray(), slow_similarity(films, CONFIG), atol=1e-6)


def test_only_the_nearest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, too: the last film of a slice and the first of the next meet like any others."""
    films, few = random_films(40, 5), CONFIG.model_copy(update={"neighbours": 6})
    every = slow_similarity(films, CONFIG)
    kept = np.zeros_like(every)
    for film, row in enumerate(every):
        near = np.argsort(-row, kind="stable")[:6]
        kept[film, near] = row[near]
    monkeypatch.setattr("models.recall.content.content.CHUNK", 7)
    assert np.allclose(nearest(films, few).toarray(), kept, atol=1e-6)


def test_a_score_is_the_sum_over_the_window_newest_first(channels: dict[str, Any]) -> None:
    channel: Content = channels["content"]
    watched = [1000, 1031, 7, 1002, 1031]  # 7 is no film; 1031 was watched twice
    ids, scores = channel.recommend(pa.table({"user_recent_movie_ids": [watched]}), 180)
    similar = channel.similar.toarray()
    expected = {
        int(film): sum(0.95**age * similar[w - 1000, row] for age, w in enumerate(reversed(watched)) if w >= 1000)
        for row, film in enumerate(channel.films.values)
    }
    assert dict(zip(ids[0].tolist(), scores[0].tolist(), strict=True)) | {-1: 0} == pytest.approx(
        {film: score for film, score in expected.items() if score} | {-1: 0}
    )


def test_films_that_nobody_rated_are_recommended(channels: dict[str, Any]) -> None:
    """Ratings of each group's first ten films only: the other nineteen with people and texts come all the same."""
    ratings = planted()
    ratings["movie_id"] = 1000 + 30 * ((ratings["movie_id"] - 1000) // 30) + (ratings["movie_id"] - 1000) % 10
    channel = untrained("content")
    channel.fit(Dataset(PlantedStore(ratings)), "train")  # type: ignore[arg-type]
    ids, _ = channel.recommend(pa.table({"user_recent_movie_ids": [[1065, 1061]]}), 27, [np.array([1065, 1061])])
    assert set(ids[0]) == set(range(1060, 1089)) - {1065, 1061}
    learned = channels["content"].tensors()  # from all ratings: they teach it nothing
    assert all(np.array_equal(value, learned[name]) for name, value in channel.tensors().items())


def test_a_film_of_which_nothing_is_known_is_never_recommended() -> None:
    known = {"movie_director_ids": [[1], [1], None], "movie_text_embedding": [[1.0, 0.0], [1.0, 0.0], None]}
    similar = nearest(catalogue(**known, movie_year=[1990, 1990, None]), CONFIG).toarray()
    assert similar[0, 1] == similar[1, 0] > 0
    assert not similar[2].any()
    assert not similar[:, 2].any()


def test_a_vector_with_nan_counts_as_what_is_left_of_it() -> None:
    texts = [[1.0, 0.0], [1.0, math.nan], [math.nan, math.nan], []]
    similar = nearest(catalogue(movie_text_embedding=texts), CONFIG).toarray()
    assert similar[0, 1] > 0
    assert not similar[2].any()
    assert np.isfinite(similar).all()


def test_without_texts_and_people_genres_and_years_are_left() -> None:
    """MovieLens alone: no document, nothing embedded."""
    similar = nearest(catalogue(movie_genres=[[0], [0], [1]], movie_year=[1990, 1991, 1960]), CONFIG).toarray()
    assert similar[0].argmax() == 1
    assert similar[0, 1] > 100 * similar[0, 2]
    assert nearest(catalogue(movie_genres=[]), CONFIG).shape == (0, 0)


@pytest.mark.parametrize("window", [None, [], [7, 8]])
def test_somebody_without_a_known_film_gets_nothing(window: list[int] | None, channels: dict[str, Any]) -> None:
    users = pa.table({"user_recent_movie_ids": pa.array([window, [1000]], pa.list_(pa.int64()))})
    ids, scores = channels["content"].recommend(users, 5)
    assert (ids[0] == -1).all()
    assert np.isneginf(scores[0]).all()
    assert (ids[1] >= 0).all()


def test_k_beyond_the_catalogue_is_padded(channels: dict[str, Any]) -> None:
    ids, _ = channels["content"].recommend(pa.table({"user_recent_movie_ids": [[1000]]}), 10 * GROUPS * PER_GROUP)
    assert ids.shape == (1, 10 * GROUPS * PER_GROUP)
    assert (ids[0, GROUPS * PER_GROUP :] == -1).all()


def test_a_planted_group_is_found(channels: dict[str, Any], data: Dataset) -> None:
    events = data.interactions("validation").to_pandas()
    users = data.users("recall_content_v1", events[["user_id", "event_timestamp"]])
    watched = np.array([len(row or ()) for row in users["user_recent_movie_ids"].to_pylist()])
    ids, _ = channels["content"].recommend(users.filter(pa.array(watched > 2)), 10)
    group = events["movie_id"].map(group_of).to_numpy()[watched > 2]
    assert np.mean(np.vectorize(group_of)(ids) == group[:, None]) > 0.95
