"""Films that no model was trained on: known by their id, rated, shown by content, by pins and in charts."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.artifacts import checksum
from models.ids import Ids
from models.served import CHANNELS
from serving.events.ledger import Ledger
from serving.pipeline.charts import Charts, Counts
from serving.pipeline.similar_items import placed_by_content
from serving.schemas.events import Event
from serving.telemetry.deadlines import Stages
from serving.telemetry.metrics import Metrics
from tests.conftest import Demo
from tests.serving.servers import ADMIN, KEYS, WRITER, served

NOBODY = 999_998
DAYS = 90 * 86_400


def forget(root: Path, movie_id: int) -> None:
    """Make the channels those of a time before the film: another id, of which nothing is known, in its place."""
    for channel in CHANNELS:
        artifact = root / "artifacts" / channel
        ids = pq.read_table(artifact / "ids.parquet")
        films = np.where(ids["movie_id"].to_numpy() == movie_id, NOBODY, ids["movie_id"].to_numpy())
        pq.write_table(ids.set_column(1, "movie_id", pa.array(films)), artifact / "ids.parquet")
        config = json.loads((artifact / "config.json").read_text())
        config["checksums"]["ids.parquet"] = checksum(artifact / "ids.parquet")
        (artifact / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def newest(demo: Demo) -> int:
    """A film that some have rated."""
    return Counter(movie for _, movie, *_ in demo.data.ratings).most_common(20)[-1][0]


@pytest.fixture(scope="module")
def client(workspace: Path, newest: int) -> Iterator[httpx.Client]:
    forget(workspace, newest)
    with served(workspace, **KEYS) as client:
        yield client


def send(client: httpx.Client, *events: dict[str, Any]) -> None:
    response = client.post("/v1/events/bulk", json={"events": list(events)}, headers=WRITER)
    assert response.status_code == 202, response.text
    assert response.json() == {"accepted": len(events), "repeated": 0, "online": True}


def rating(user_id: int, movie_id: int, occurred_at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"event_id": f"newest-{user_id}-{movie_id}", "kind": "rating", "user_id": user_id, "movie_id": movie_id,
            "rating": 4.5, "occurred_at": occurred_at}  # fmt: skip


def ids(response: httpx.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [item["movie_id"] for item in response.json()["items"]]


def test_a_film_that_no_model_knows_is_known(client: httpx.Client, demo: Demo, newest: int) -> None:
    told = client.get(f"/v1/films/{newest}").json()
    (film,) = [film for film in demo.data.films if film.movie_id == newest]
    assert (told["movie_id"], told["genres"], told["is_in_models"]) == (newest, list(film.genres), False)
    assert told["count_ratings"] == sum(movie == newest for _, movie, *_ in demo.data.ratings)
    assert client.get(f"/v1/films/{demo.data.films[3].movie_id}").json()["is_in_models"]
    assert client.get(f"/v1/films/{NOBODY}").status_code == 404
    near = ids(client.get(f"/v1/films/{newest}/similar", params={"n": 20}))
    assert near
    assert newest not in near
    assert newest in ids(client.get(f"/v1/films/{near[0]}/similar", params={"n": 100})), "near one way alone"
    assert ids(client.post("/v1/recommendations", json={"ratings": [{"movie_id": newest}]}))


def test_what_is_done_with_it_is_taken(client: httpx.Client, newest: int) -> None:
    send(client, rating(8100, newest), {"event_id": "h", "kind": "hide", "user_id": 8101, "movie_id": newest})
    assert newest not in ids(client.get("/v1/popular", params={"user_id": 8101, "n": 100}))
    features = client.get("/v1/users/8100/features", headers=WRITER).json()["features"]
    assert features["user_seen_movie_ids"] == [newest]


def test_charts_count_to_now(client: httpx.Client, demo: Demo, newest: int) -> None:
    before = client.get(f"/v1/films/{newest}").json()["count_ratings"]
    counts = Counter(movie for _, movie, *_ in demo.data.ratings)
    most = max(counts.values())
    send(client, *(rating(user, newest, "2026-02-01T00:00:00Z") for user in range(8200, 8201 + most)))
    for path, number in (("/v1/popular", before + most + 1), ("/v1/trending", None)):
        first, second, *rest = client.get(path, params={"n": 100, "explain": True}).json()["items"]
        assert first["movie_id"] == newest, path
        assert number is None or first["score"] == number
        assert len(rest) == 98, "what was rated before those 90 days follows"
    assert second["reasons"]["channels"] == {"popularity_recent": 2}
    stranger = client.get("/v1/users/999999/recommendations").json()
    assert (stranger["strategy"], stranger["items"][0]["movie_id"]) == ("popularity", newest)


def test_it_can_be_retired(client: httpx.Client, newest: int) -> None:
    assert client.post(f"/v1/films/{newest}/retire", headers=ADMIN).status_code == 200
    assert newest not in ids(client.get("/v1/popular", params={"n": 100}))
    assert client.get(f"/v1/films/{newest}").json()["is_retired"]


def test_it_is_placed_at_the_mean_of_those_that_are_like_it() -> None:
    lists = {name: pa.list_(pa.int64()) for name in ("movie_director_ids", "movie_cast_ids", "movie_keyword_ids")}
    table = pa.table(
        {
            "movie_id": [1, 2, 3, 4, 5],
            "movie_genres": pa.array([[0], [0], [1], [0], None], pa.list_(pa.int64())),
            "movie_year": pa.array([None] * 5, pa.int64()),
            "movie_text_embedding": pa.array([None] * 5, pa.list_(pa.float32())),
            **{name: pa.array([None] * 5, kind) for name, kind in lists.items()},
        }
    )
    vectors = np.array([[2, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    known, places = placed_by_content((Ids(np.array([1, 2, 3])), vectors), table)
    assert known.values.tolist() == [1, 2, 3, 4, 5]
    assert places[:3].tolist() == vectors.tolist()
    assert places[3] / np.linalg.norm(places[3]) == pytest.approx([0.5**0.5, 0.5**0.5, 0.0])
    assert places[4].tolist() == [0, 0, 0]


class Store:
    """Stands for the online store: the seconds in which each film was rated."""

    def __init__(self, rated: dict[int, list[int]]) -> None:
        self.rated = rated
        self.asked: list[list[int]] = []

    def counts(self, movie_ids: np.ndarray) -> pa.Table:
        self.asked.append(movie_ids.tolist())
        seconds = [sorted(self.rated.get(movie, [])) for movie in movie_ids.tolist()]
        recent = [[at for at in of if at > of[-1] - DAYS] for of in seconds]
        return pa.table(
            {
                "movie_id": movie_ids,
                "movie_count_ratings": [len(of) or None for of in seconds],
                "movie_recent_timestamps": pa.array([of or None for of in recent], pa.list_(pa.int64())),
            }
        )


def by_hand(rated: dict[int, list[int]], since: int) -> list[int]:
    """The films with most ratings after `since`, then of all time, then by id."""
    films = [movie for movie, seconds in rated.items() if seconds]
    return sorted(films, key=lambda m: (-sum(at > since for at in rated[m]), -len(rated[m]), m))


def test_charts_read_again_what_events_renewed_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rated = {movie: rng.integers(10**9, 10**9 + 3 * DAYS, rng.integers(0, 9)).tolist() for movie in range(30)}
    rated[2] = []
    store, file = Store(rated), tmp_path / "accepted.db"
    charts = Charts(store, np.array([*range(30)]), file, Stages(Metrics()))  # type: ignore[arg-type]
    ledger = Ledger(file)  # of another worker
    last = max(at for seconds in rated.values() for at in seconds)
    for movie in (2, 7, 2, 400):
        last += 86_400 * 30
        rated.setdefault(movie, []).append(last)
        ledger.are_online([Event(event_id="e", kind="rating", user_id=1, movie_id=movie, rating=4.0)])
        counts, why = charts.now()
        assert why is None
        assert store.asked[-1] == [movie]
        assert counts.popular.films.values.tolist() == by_hand(rated, 10**12)
        assert counts.trending.films.values.tolist() == by_hand(rated, last - DAYS)
        assert counts.of_film(movie) == len(rated[movie])
    asked = len(store.asked)
    charts.now()
    assert len(store.asked) == asked
    ledger.close()


def test_a_store_that_is_away_leaves_the_counts_of_before(tmp_path: Path) -> None:
    store, file = Store({1: [10**9], 2: [10**9, 10**9 + 1]}), tmp_path / "accepted.db"
    charts = Charts(store, np.array([1, 2]), file, Stages(Metrics()))  # type: ignore[arg-type]
    ledger = Ledger(file)
    store.rated[1] += [10**9 + 2, 10**9 + 3]
    ledger.are_online([Event(event_id="e", kind="rating", user_id=1, movie_id=1, rating=4.0)])
    works, store.counts = store.counts, lambda movie_ids: 1 / 0  # type: ignore[method-assign, assignment]
    counts, why = charts.now()
    assert counts.popular.films.values.tolist() == [2, 1]
    assert why == "features: ZeroDivisionError: division by zero; the ratings counted are those of before"
    store.counts = works  # type: ignore[method-assign]
    counts, why = charts.now()
    assert (counts.popular.films.values.tolist(), why) == ([1, 2], None)
    ledger.close()


def test_a_rating_of_a_wrong_clock_does_not_move_the_window() -> None:
    now = int(time.time())
    table = Store({1: [now - 9, now - 8], 2: [4_000_000_000]}).counts(np.array([1, 2]))
    assert Counts.of(table).trending.numbers.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/", "/page.css", "/docs",
                                  "/openapi.json", "/v1/popular", "/v1/films/1"])  # fmt: skip
def test_head_answers_where_get_does(client: httpx.Client, path: str) -> None:
    got, headed = client.get(path), client.head(path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert client.head("/v1/events").status_code == 405
