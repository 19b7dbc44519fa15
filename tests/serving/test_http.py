"""The served app over HTTP, on SQLite and on a real Redis."""

import httpx
import pytest

from tests.conftest import Demo, OnRedis
from tests.serving.servers import WRITER, metrics, state, wait_for

PROBLEM = "application/problem+json"
NOBODY = 999_999


def recommendations(client: httpx.Client, user_id: int, **query: object) -> dict:
    """The body of a good answer."""
    response = client.get(f"/v1/users/{user_id}/recommendations", params=query)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("user_id", [1, 2, 33, 60, NOBODY])
def test_sqlite_and_redis_answer_alike(on_sqlite: httpx.Client, on_redis: httpx.Client, user_id: int) -> None:
    query = {"n": 20, "explain": "true"}
    assert recommendations(on_sqlite, user_id, **query) == recommendations(on_redis, user_id, **query)


def test_films_the_user_rated_never_come_back(on_sqlite: httpx.Client, demo: Demo) -> None:
    for user_id in range(1, demo.data.users + 1):
        seen = {movie for user, movie, _, _ in demo.data.ratings if user == user_id}
        answer = recommendations(on_sqlite, user_id, n=100)
        items = [item["movie_id"] for item in answer["items"]]
        assert answer["strategy"] == "two_stage"
        assert items
        assert len(set(items)) == len(items)
        assert not seen & set(items)


def test_items_are_ranked_titled_and_explained(on_sqlite: httpx.Client, demo: Demo) -> None:
    titles = {film.movie_id: film.title for film in demo.data.films}
    answer = recommendations(on_sqlite, 1, n=10, explain="true")
    scores = [item["score"] for item in answer["items"]]
    assert [item["rank"] for item in answer["items"]] == list(range(1, 11))
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        assert titles[item["movie_id"]].startswith(item["title"])
        assert item["reasons"]["channels"]
        assert all(rank >= 1 for rank in item["reasons"]["channels"].values())
    assert any(item["reasons"]["because_you_watched"] for item in answer["items"])
    assert all(item["reasons"] is None for item in recommendations(on_sqlite, 1)["items"])


def test_unknown_user_gets_popular_films_and_is_told(on_sqlite: httpx.Client) -> None:
    answer = recommendations(on_sqlite, NOBODY)
    assert answer["strategy"] == "popularity"
    assert answer["reason"] == f"user {NOBODY} has no features online"
    assert len(answer["items"]) == 10
    assert [item["score"] for item in answer["items"]] == sorted(
        (item["score"] for item in answer["items"]), reverse=True
    )


@pytest.mark.parametrize("path", ["1/recommendations?n=0", "1/recommendations?n=101", "-1/recommendations",
                                  "someone/recommendations", f"{2**63}/recommendations"])  # fmt: skip
def test_values_out_of_range_are_problems(on_sqlite: httpx.Client, path: str) -> None:
    response = on_sqlite.get(f"/v1/users/{path}")
    assert response.status_code == 422
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["type"] == "urn:cinefeast:problem:invalid-request"
    assert "=" in response.json()["detail"]


def test_unknown_path_is_a_problem(on_sqlite: httpx.Client) -> None:
    response = on_sqlite.get("/v2/nothing")
    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)


def test_health_and_documentation(on_sqlite: httpx.Client) -> None:
    assert on_sqlite.get("/health/live").json()["status"] == "live"
    assert on_sqlite.get("/health/ready").json() == {"status": "ready"}
    assert on_sqlite.get("/metrics").status_code == 404, "on the admin port"
    assert state(on_sqlite)["catalogue_version"] == recommendations(on_sqlite, 1)["catalogue_version"]
    schemas = on_sqlite.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Answer"]["examples"][1]["strategy"] == "popularity"
    assert on_sqlite.get("/docs").status_code == 200
    told = f"open: whoever reaches {str(on_sqlite.base_url).rstrip('/')} is told what any user watched"
    assert told in on_sqlite.log.read_text()  # type: ignore[attr-defined]


def test_metrics_count_outcomes_and_time_stages(on_sqlite: httpx.Client) -> None:
    recommendations(on_sqlite, 1)
    recommendations(on_sqlite, NOBODY)
    on_sqlite.get("/v1/users/1/recommendations?n=0")
    text = metrics(on_sqlite)
    for stage in ("features", "recall:item_cf", "rank", "rules", "explain", "total"):
        assert f'cinefeast_stage_seconds_bucket{{le="0.05",stage="{stage}"}}' in text
    for outcome in ("ok", "cold", "invalid"):
        assert f'cinefeast_requests_total{{outcome="{outcome}"}}' in text


def test_a_dead_redis_degrades_until_it_is_back(on_redis: httpx.Client, redis_demo: OnRedis) -> None:
    """A user whose features were read before keeps them; of another nothing is known."""
    redis_server, before = redis_demo.server, recommendations(on_redis, 1)
    redis_server.stop()
    known, other = recommendations(on_redis, 1), recommendations(on_redis, 44)
    assert known["items"] == before["items"]
    assert "features are those of" in known["degraded"][0]
    assert (other["strategy"], len(other["items"])) == ("popularity", 10)
    assert other["degraded"][0].startswith("features: ")
    assert on_redis.get("/health/ready").status_code == 200
    assert 'cinefeast_degraded_answers_total{stage="features"} 2.0' in metrics(on_redis)
    response = on_redis.get("/v1/users/1/features", headers=WRITER)
    assert (response.status_code, response.headers["content-type"]) == (503, PROBLEM)
    assert response.json()["detail"].startswith("the online store (Redis at its address) does not answer")
    assert redis_server.address not in response.text
    redis_server.start()
    wait_for(lambda: not recommendations(on_redis, 44)["degraded"], "a full answer again")
    assert recommendations(on_redis, 1) == before
