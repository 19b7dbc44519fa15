"""The layout, the counts and the distributions of the published data sets."""

import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from dbt_project.synth.presets import PRESETS
from tests.real_data import real_file
from tests.synth.conftest import Data

DAY = 86_400


def test_counts_are_the_published_ones() -> None:
    counts = {name: (p.ratings, p.users, p.films, p.tags) for name, p in PRESETS.items()}
    assert counts["ml-100k"] == (100_000, 943, 1_682, 0)
    assert counts["ml-1m"] == (1_000_209, 6_040, 3_883, 0)
    assert counts["ml-10m"] == (10_000_054, 69_878, 10_681, 95_580)
    assert counts["ml-32m"] == (32_000_204, 200_948, 87_585, 2_000_072)


def test_layout_and_counts(data: Data) -> None:
    preset = data.made.preset
    with zipfile.ZipFile(data.made.archive) as archive:
        assert archive.testzip() is None
        names = ["links.csv", "movies.csv", "ratings.csv", "README.txt", "tags.csv"]
        assert sorted(archive.namelist(), key=str.lower) == [f"ml-32m/{name}" for name in names]
    lines = data.text("ratings.csv").split("\n")
    assert (lines[0], lines[-1]) == ("userId,movieId,rating,timestamp", "")
    assert all(re.fullmatch(r"\d+,\d+,(0\.5|[1-4]\.[05]|5\.0),\d{9,10}", line) for line in lines[1:-1])
    assert len(lines) - 2 == preset.ratings
    films, links, tags = (data.table(name) for name in ("movies.csv", "links.csv", "tags.csv"))
    assert list(films) == ["movieId", "title", "genres"]
    assert list(links) == ["movieId", "imdbId", "tmdbId"]
    assert list(tags) == ["userId", "movieId", "tag", "timestamp"]
    assert (len(films), len(links), len(tags)) == (preset.films, preset.films, preset.tags)
    assert films["movieId"].is_unique
    assert films["movieId"].is_monotonic_increasing
    assert links["movieId"].equals(films["movieId"])
    assert links["tmdbId"].dropna().is_unique
    assert "not a MovieLens data set" in data.text("README.txt")


def test_users_and_films(data: Data) -> None:
    ratings, preset = data.ratings, data.made.preset
    pairs = ratings[["userId", "movieId"]]
    assert not pairs.duplicated().any()
    assert pairs.equals(pairs.sort_values(["userId", "movieId"], ignore_index=True))
    assert ratings["userId"].unique().tolist() == list(range(1, preset.users + 1))
    assert set(ratings["movieId"]) <= set(data.table("movies.csv")["movieId"])
    assert 0.95 * preset.rated_films <= ratings["movieId"].nunique() <= preset.rated_films


def test_long_tails(data: Data) -> None:
    of_user = data.ratings["userId"].value_counts()
    assert of_user.min() >= 20
    assert of_user.max() > 3 * of_user.mean() > 4 * of_user.median()
    of_film = data.ratings["movieId"].value_counts()
    assert of_film.iloc[: len(of_film) // 10].sum() > 0.3 * len(data.ratings)
    assert of_film.iloc[len(of_film) // 2 :].sum() < 0.25 * len(data.ratings)


def test_stars_are_given_as_often_as_in_a_published_data_set(data: Data) -> None:
    with zipfile.ZipFile(real_file("ml-latest-small.zip")) as archive:
        published = pd.read_csv(archive.open("ml-latest-small/ratings.csv"))["rating"]
    shares = data.ratings["rating"].value_counts(normalize=True)
    assert len(shares) == 10
    assert (shares - published.value_counts(normalize=True)).abs().sum() / 2 < 0.02
    assert data.ratings["rating"].mean() == pytest.approx(published.mean(), abs=0.05)


def test_time(data: Data) -> None:
    at, preset = data.ratings["timestamp"], data.made.preset
    assert at.min() == preset.first_second
    assert preset.last_second - DAY < at.max() <= preset.last_second
    came_at = data.ratings.groupby("userId")["timestamp"].min()
    quarters = np.histogram(came_at, bins=4, range=(preset.first_second, preset.last_second))[0]
    assert quarters.min() > preset.users / 20, "users come over the whole time"
    first_day = data.ratings["timestamp"] - data.ratings["userId"].map(came_at) < DAY
    of_users = first_day.groupby(data.ratings["userId"]).mean()
    assert (of_users == 1).mean() > 0.5, "most users come once"
    assert (of_users < 0.5).mean() > 0.1, "some come back"


def test_bursts(data: Data) -> None:
    same_second = data.ratings.groupby(["userId", "timestamp"]).size()
    assert 0.1 < same_second[same_second > 1].sum() / len(data.ratings) < 0.9
    assert same_second.max() >= 10


def test_no_film_is_rated_before_its_release(data: Data) -> None:
    released = {d["id"]: pd.Timestamp(d["release_date"]).timestamp() for d in data.documents}
    films = data.table("links.csv").assign(released=lambda links: links["tmdbId"].map(released)).set_index("movieId")
    films["rated"] = data.ratings.groupby("movieId")["timestamp"].min()
    films = films.dropna()
    assert len(films) > 0.9 * data.made.preset.films
    assert (films["released"] < films["rated"]).all()
    assert films["released"].min() < pd.Timestamp("1950-01-01").timestamp()


def test_tags_follow_ratings(data: Data) -> None:
    tags = data.table("tags.csv")
    assert not tags.duplicated(["userId", "movieId", "tag"]).any()
    assert tags[["userId", "movieId"]].equals(tags[["userId", "movieId"]].sort_values(["userId", "movieId"]))
    rated = tags.merge(data.ratings, on=["userId", "movieId"], how="left", suffixes=("", "_rated"))
    assert (rated["timestamp"] > rated["timestamp_rated"]).all()
