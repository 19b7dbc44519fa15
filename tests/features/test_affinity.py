"""Crossed features of a history and a film against a loop over films; what a request tells, by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.affinity import AFFINITY, DAY, FilmAttributes, Watched, affinity, affinity_features
from feature_repo.crossing import cross_features
from feature_repo.request import request_features

NOW = 1_000_000_000


def made_up(films: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Films of which each fact may be missing."""

    def some(values: Any) -> Any:
        return values if rng.random() < 0.85 else None

    def ids(most: int, size: int) -> list[int]:
        return rng.choice(np.arange(1, most), size, replace=False).tolist()

    return [
        {
            "movie_director_ids": some(ids(9, 1 + film % 2)),
            "movie_cast_ids": some([-n for n in ids(30, 5)]),
            "movie_keyword_ids": some(ids(40, 6)),
            "movie_genres": some(ids(8, 1 + film % 3)),
            "movie_countries": some(["US", "FR"][film % 2 :]),
            "movie_language": some(["en", "fr", "de"][film % 3]),
            "movie_year": some(1980 + film),
            "movie_runtime": some(80 + film),
            "movie_text_embedding": some((vector := rng.normal(size=4)) / np.linalg.norm(vector)),
        }
        for film in range(films)
    ]


def asked(
    films: list[dict[str, Any]], seen: list[int], candidates: list[int], rng: np.random.Generator
) -> pd.DataFrame:
    """The inputs of a user who saw some films and is asked about others."""
    facts = FilmAttributes({name: [film[name] for film in films] for name in films[0]}).facts(np.array(seen, int))
    user = {
        "user_seen_ratings": rng.integers(1, 11, len(seen)) / 2,
        "user_seen_timestamps": NOW - DAY * np.arange(len(seen), 0, -1),
        **facts,
    }
    return pd.DataFrame([{**films[one], **user, "asked_at": NOW, "user_mean_rating": 3.2} for one in candidates])


def expected(row: pd.Series, films: list[dict[str, Any]], seen: list[int]) -> dict[str, float]:
    """One row by loops, for what is not told by the last 200 alone."""
    given, nan = row["user_seen_ratings"], math.nan
    out: dict[str, float] = {}
    for kind, column in (("director", "movie_director_ids"), ("cast", "movie_cast_ids")):
        own = row[column]
        hits = [
            (person, given[n] - 3.2)
            for n, one in enumerate(seen)
            for person in films[one][column] or []
            if own and person in own
        ]
        out[f"cross_{kind}_count"] = len({person for person, _ in hits}) if own else nan
        out[f"cross_{kind}_liking"] = float(np.mean([above for _, above in hits])) if hits else nan
    met = {word for one in seen for word in films[one]["movie_keyword_ids"] or []}
    own = row["movie_keyword_ids"]
    out["cross_keyword_count"] = len(met & set(own)) if own else nan
    out["cross_keyword_share"] = len(met & set(own)) / len(own) if own else nan
    known = [films[one]["movie_language"] for one in seen if films[one]["movie_language"]]
    out["cross_language_share"] = known.count(row["movie_language"]) / len(known) if row["movie_language"] else nan
    years = [films[one]["movie_year"] for n, one in enumerate(seen) if given[n] >= 3.2 and films[one]["movie_year"]]
    out["cross_year_distance"] = abs(row["movie_year"] - np.mean(years))
    genres = [set(film["movie_genres"] or []) for film in films]
    mine = set(row["movie_genres"] or [])
    alike = [
        n for n, one in enumerate(seen) if mine & genres[one] and 2 * len(mine & genres[one]) >= len(mine | genres[one])
    ]
    similar = [row["user_seen_timestamps"][n] for n in alike]
    out["cross_days_since_similar"] = (NOW - max(similar)) / DAY if similar else nan
    texts = [films[one]["movie_text_embedding"] for one in seen]
    cosines = (
        [0.0 if text is None else float(text @ row["movie_text_embedding"]) for text in texts]
        if row["movie_text_embedding"] is not None
        else [nan]
    )
    out["cross_text_similarity"], out["cross_text_recent"] = max(cosines), float(np.mean(cosines[-10:]))
    return out


def test_each_row_is_a_loop_over_the_films_watched() -> None:
    rng = np.random.default_rng(0)
    films = made_up(60, rng)
    seen, candidates = rng.choice(40, 25, replace=False).tolist(), list(range(60))
    inputs = asked(films, seen, candidates, rng)
    found = affinity_features(inputs)
    assert list(found.columns) == list(AFFINITY)
    for place in range(len(candidates)):
        for name, value in expected(inputs.loc[place], films, seen).items():
            assert np.isclose(found[name][place], value, atol=1e-5, equal_nan=True), (place, name)


def test_without_text_embeddings_all_else_is_known() -> None:
    """Nobody has run `cinefeast embed`: what needs a text is NaN, the rest as it is with texts."""
    rng = np.random.default_rng(1)
    films = made_up(60, rng)
    bare = [{**film, "movie_text_embedding": None} for film in films]
    seen, candidates = list(range(0, 40, 2)), [1, 2, 3, 50]
    texts = ["cross_text_similarity", "cross_text_recent"]
    with_texts, without = (
        affinity_features(asked(some, seen, candidates, np.random.default_rng(2))) for some in (films, bare)
    )
    assert without[texts].isna().all(axis=None)
    assert without["cross_year_distance"].notna().any()
    pd.testing.assert_frame_equal(without.drop(columns=texts), with_texts.drop(columns=texts))


def test_rows_of_one_user_are_those_of_each_alone() -> None:
    """500 candidates share their user's lists; from history each row has its own copy."""
    rng = np.random.default_rng(1)
    films = made_up(30, rng)
    one, other = asked(films, [1, 2, 3], [5, 6, 7], rng), asked(films, [4, 9], [5, 8], rng)
    together = pd.concat([one, other, one]).reset_index(drop=True)
    rows = pd.concat([affinity_features(together.iloc[[place]].map(copied)) for place in range(len(together))])
    pd.testing.assert_frame_equal(affinity_features(together), rows.reset_index(drop=True))


def test_columns_of_arrow_keep_each_users_own() -> None:
    """They make a list anew each time that one is read: two users' may lie at one address, one after the other."""
    rng = np.random.default_rng(6)
    films = made_up(60, rng)
    users = [asked(films, rng.choice(60, 25, replace=False).tolist(), list(range(n, n + 20)), rng) for n in range(20)]
    together = pd.concat(users, ignore_index=True)
    arrow = pa.Table.from_pandas(together, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype)
    pd.testing.assert_frame_equal(affinity_features(arrow), affinity_features(together))


def test_users_who_share_a_list_are_told_apart() -> None:
    """Equal ratings may be one object; when they were given, and how the users rate otherwise, is each one's own."""
    rng = np.random.default_rng(7)
    films, seen = made_up(60, rng), list(range(25))
    one = asked(films, seen, [30, 31], rng)
    other = one.assign(user_seen_timestamps=[one["user_seen_timestamps"][0] - 5 * DAY] * 2, user_mean_rating=4.0)
    together = affinity_features(pd.concat([one, other], ignore_index=True))
    alone = pd.concat([affinity_features(one), affinity_features(other)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone)


def copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("scale", [1, 10**9])
def test_small_numbers_for_ids_and_words_change_nothing(scale: int) -> None:
    """Films held in memory are numbered; ids may be of any size."""
    rng = np.random.default_rng(4)
    films = made_up(60, rng)
    for film in films:
        film["movie_cast_ids"] = film["movie_cast_ids"] and [-scale * one for one in film["movie_cast_ids"]]
        film["movie_keyword_ids"] = film["movie_keyword_ids"] and [scale * one for one in film["movie_keyword_ids"]]
    seen, candidates = rng.choice(40, 25, replace=False).tolist(), np.arange(60)
    inputs = asked(films, seen, candidates.tolist(), rng)
    user = {name: inputs[name][0] for name in ("user_seen_ratings", "user_seen_timestamps")}
    held = FilmAttributes({name: [film[name] for film in films] for name in films[0]}).numbered()
    watched = Watched(user | held.facts(np.array([*seen])))
    assert watched.languages.dtype.kind == "i"
    found = affinity(watched, held, candidates, np.full(60, NOW), 3.2)
    assert np.allclose(found, affinity_features(inputs), equal_nan=True)


def test_nobody_and_nothing_known_is_nan() -> None:
    rng = np.random.default_rng(2)
    films = made_up(5, rng)
    for changes in (
        {"user_seen_ratings": None, "user_seen_timestamps": None},
        dict.fromkeys(asked(films, [0], [1], rng).columns),
    ):
        inputs = asked(films, [0, 1], [2, 3], rng).assign(**{name: [None, None] for name in changes})
        assert affinity_features(inputs).isna().all().all()


def test_only_the_last_200_films_count() -> None:
    rng = np.random.default_rng(3)
    films = made_up(300, rng)
    long, short = asked(films, list(range(250)), [260, 270], rng), asked(films, list(range(50, 250)), [260, 270], rng)
    for inputs in (long, short):
        inputs["user_seen_ratings"] = [np.full(len(inputs["user_seen_ratings"][0]), 4.0)] * 2
    pd.testing.assert_frame_equal(affinity_features(long), affinity_features(short))


def test_the_moment_and_what_recall_says() -> None:
    friday = int(pd.Timestamp("2021-01-01 13:30").timestamp())
    found = request_features(
        pd.DataFrame(
            {
                "asked_at": [friday, friday],
                "user_seen_timestamps": [[0, friday - 2 * DAY], None],
                "recall_place": [10, 0],
                "recall_ranks": [[30, 0], None],
                "recall_scores": [[0.5, 0.0], None],
            }
        )
    )
    assert found["request_hour"].tolist() == [13, 13]
    assert found["request_weekday"].tolist() == [4, 4]
    assert found["request_gap_days"][0] == 2
    assert math.isnan(found["request_gap_days"][1])
    assert found["recall_weight"].tolist() == [0.5, 0.0]
    assert list(found["recall_channel_weights"][0]) == [0.25, 0.0]
    assert list(found["recall_channel_scores"][1]) == []


def test_the_trend_is_the_share_of_the_last_days_on_a_log_scale() -> None:
    columns = ("user_genre_affinity", "user_genre_share", "movie_genres", "user_mean_rating", "movie_mean_rating")
    frame = pd.DataFrame({**dict.fromkeys(columns, None), "movie_count_ratings": [9], "movie_count_ratings_90d": [4]})
    assert math.isclose(cross_features(frame)["cross_popularity_trend"][0], math.log(5 / 10))
