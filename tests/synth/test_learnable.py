"""There is something to learn: what users rate next, how they rate it, and that taste moves."""

import numpy as np
import pandas as pd
from scipy import sparse

from tests.synth.conftest import Data

DAY = 86_400


def in_order(data: Data) -> pd.DataFrame:
    """All ratings, each user's in order of time, with users and films numbered from 0."""
    ratings = data.ratings.sort_values(["userId", "timestamp"], kind="stable", ignore_index=True)
    return ratings.assign(user=ratings["userId"] - 1, film=ratings["movieId"].astype("category").cat.codes)


def test_neighbours_beat_popularity_on_the_next_film(ml_100k: Data) -> None:
    events = in_order(ml_100k)
    last = ~events.duplicated("user", keep="last")
    past, following = events[~last], events[last]["film"].to_numpy()
    shape = events["user"].max() + 1, events["film"].max() + 1

    def matrix(rows: pd.DataFrame) -> sparse.csr_matrix:
        return sparse.csr_matrix((np.ones(len(rows)), (rows["user"], rows["film"])), shape)

    seen = matrix(past)
    together = (seen.T @ seen).toarray()
    popularity = together.diagonal().copy()
    np.fill_diagonal(together, 0)
    cosine = together / np.sqrt(np.outer(popularity, popularity) + 1e-9)

    def hits(scores: np.ndarray) -> int:
        """How many users' next film is among the 20 best that they have not seen."""
        scores = np.where(seen.toarray() > 0, -1, scores)
        return int((np.argsort(-scores, axis=1)[:, :20] == following[:, None]).sum())

    by_popularity = hits(np.tile(popularity, (shape[0], 1)))
    by_all, by_recent = hits(seen @ cosine), hits(matrix(past.groupby("user").tail(5)) @ cosine)
    assert by_all > 1.5 * by_popularity
    assert by_recent > 2 * by_popularity


def test_taste_tells_how_films_are_rated(ml_100k: Data) -> None:
    events = in_order(ml_100k)
    genres = ml_100k.table("movies.csv").set_index("movieId")["genres"].str.split("|").rename("genre")
    is_test = np.random.default_rng(0).random(len(events)) < 0.2
    train, test = events[~is_test], events[is_test]
    mean = train["rating"].mean()
    of_user = (train["rating"] - mean).groupby(train["user"]).agg(["sum", "size"])
    bias = of_user["sum"] / (of_user["size"] + 5)
    left = (
        train.assign(left=train["rating"] - mean - train["user"].map(bias)).join(genres, on="movieId").explode("genre")
    )
    affinity = left.groupby(["user", "genre"])["left"].agg(["sum", "size"])
    affinity = (affinity["sum"] / (affinity["size"] + 10)).rename("affinity")
    liked = test.join(genres, on="movieId").explode("genre").join(affinity, on=["user", "genre"])
    liked = liked["affinity"].fillna(0).groupby(liked.index).mean()

    def error(predicted: pd.Series | float) -> float:
        return float(np.sqrt(((test["rating"] - predicted) ** 2).mean()))

    by_user = mean + test["user"].map(bias).fillna(0)
    assert error(by_user) < 0.95 * error(mean)
    assert error(by_user + liked) < error(by_user) - 0.005, "genres tell more than the user's mean"
    quality = (train["rating"] - mean - train["user"].map(bias)).groupby(train["movieId"]).agg(["sum", "size"])
    quality = test["movieId"].map(quality["sum"] / (quality["size"] + 5)).fillna(0)
    assert error(by_user + quality) < 0.97 * error(by_user), "films differ in quality"


def test_taste_moves(decades: Data) -> None:
    """A user's films of one month resemble each other more than they resemble those of five years later."""
    events = in_order(decades)
    films = decades.table("movies.csv").set_index("movieId")["genres"].str.get_dummies()
    of_rating = films.loc[events["movieId"]].to_numpy() - films.loc[events["movieId"]].to_numpy().mean(axis=0)
    since = (events["timestamp"] - events.groupby("user")["timestamp"].transform("min")) / DAY
    odd = (np.arange(len(events)) % 2).astype(bool)

    def profile(rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(of_rating[rows]).groupby(events["user"].to_numpy()[rows]).mean()

    first, again, later = profile((since < 30) & odd), profile((since < 30) & ~odd), profile(since > 5 * 365)
    users = first.index.intersection(again.index).intersection(later.index)
    assert len(users) > 30

    def likeness(other: pd.DataFrame) -> float:
        a, b = first.loc[users].to_numpy(), other.loc[users].to_numpy()
        return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())

    assert likeness(again) > likeness(later) + 0.05


def test_popular_films_are_better(ml_100k: Data) -> None:
    films = ml_100k.ratings.groupby("movieId")["rating"].agg(["mean", "size"])
    films = films[films["size"] >= 20]
    assert np.corrcoef(np.log(films["size"]), films["mean"])[0, 1] > 0.1
