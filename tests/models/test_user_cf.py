"""UserCF, against plain loops."""

import numpy as np
import pyarrow as pa
import pytest

from models.dataset import Dataset
from tests.models.conftest import untrained
from tests.models.recall_contract import RecallContract


class TestUserCF(RecallContract):
    kind = "user_cf"


def by_hand(data: Dataset, history: dict[int, float], own: int, neighbours: int, sharpness: float) -> dict[int, float]:
    """Scores by film for a weighted history, asking everyone but the user `own`."""
    events = data.interactions("train").to_pandas()
    people = {user: set(films) for user, films in events.groupby("user_id")["movie_id"]}
    norm = np.sqrt(sum(weight**2 for weight in history.values()))
    cosine = {
        user: sum(history.get(film, 0) for film in films) / norm / np.sqrt(len(films))
        for user, films in people.items()
        if user != own
    }
    near = sorted(cosine, key=lambda user: (-round(cosine[user], 6), user))[:neighbours]
    scores: dict[int, float] = {}
    for user in near:
        for film in people[user]:
            scores[film] = scores.get(film, 0) + cosine[user] ** sharpness
    return {film: score for film, score in scores.items() if score > 0}


@pytest.mark.parametrize("own", [5, 999_999])
def test_the_films_of_the_nearest_users_add_up(data: Dataset, own: int) -> None:
    """For a user of the training data, who is not asked about themselves, and for a new one with their history."""
    channel = untrained("user_cf", neighbours=8)
    channel.fit(data, "train")
    events = data.interactions("train").to_pandas()
    films = events[events["user_id"] == 5]["movie_id"].tolist()[:6]
    recency = channel.config.recency
    history = {film: np.exp(-back / recency) for back, film in enumerate(reversed(films))}
    expected = by_hand(data, history, own, 8, channel.config.sharpness)
    users = pa.table({"user_id": [own], "user_recent_movie_ids": [films]})
    ids, scores = channel.recommend(users, 500)
    found = dict(zip(ids[0].tolist(), scores[0].tolist(), strict=True))
    found.pop(-1, None)
    assert found == pytest.approx(expected, rel=1e-4)
