"""Every list of the API, with its filters, on one server whose rules the tests write."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Demo
from tests.fixture_films import Film
from tests.serving.servers import KEYS, WRITER, served

NOBODY = 999_999
LISTS: dict[str, Callable[..., tuple[str, str, Any]]] = {
    "/v1/users/{user_id}/recommendations": lambda user, films: ("GET", f"/v1/users/{user}/recommendations", None),
    "/v1/recommendations": lambda user, films: (
        "POST", "/v1/recommendations", {"ratings": [{"movie_id": films[n].movie_id} for n in (3, 5, 8)]},
    ),
    "/v1/users/{user_id}/rerank": lambda user, films: (
        "POST", f"/v1/users/{user}/rerank", {"movie_ids": [film.movie_id for film in films]},
    ),
    "/v1/films/{movie_id}/similar": lambda user, films: (
        "GET", f"/v1/films/{films[3].movie_id}/similar?user_id={user}", None,
    ),
    "/v1/popular": lambda user, films: ("GET", f"/v1/popular?user_id={user}", None),
    "/v1/trending": lambda user, films: ("GET", f"/v1/trending?user_id={user}", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, **KEYS) as client:
        yield client


@pytest.fixture
def rules(workspace: Path) -> Iterator[Callable[[str], None]]:
    """Put these rules in force; none after the test."""
    file = workspace / "rules.toml"

    def write(text: str) -> None:
        aside = file.with_suffix(".part")
        aside.write_text(text)
        aside.replace(file)

    yield write
    file.unlink(missing_ok=True)


def ask(client: httpx.Client, films: list[Film], path: str, user: int = 1, **query: Any) -> dict[str, Any]:
    """The answer of a list's route."""
    method, url, body = LISTS[path](user, films)
    response = client.request(method, httpx.URL(url).copy_merge_params(query), json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict[str, Any]) -> list[int]:
    return [item["movie_id"] for item in answer["items"]]


every_list = pytest.mark.parametrize("path", LISTS)


def test_no_list_is_forgotten_here(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    answers = {
        path
        for path, methods in paths.items()
        for operation in methods.values()
        if "Answer" in str(operation["responses"].get("200", {}).get("content"))
    }
    assert answers == set(LISTS)


@every_list
def test_filters_and_exclusions_hold(client: httpx.Client, demo: Demo, path: str) -> None:
    films = demo.data.films
    plain = ask(client, films, path, n=100)
    assert plain["items"]
    genre = plain["items"][0]["genres"][0]
    for item in ask(client, films, path, n=100, genre=genre)["items"]:
        assert genre in item["genres"]
    years = sorted(item["year"] for item in plain["items"] if item["year"])
    middle = years[len(years) // 2]
    assert all(item["year"] >= middle for item in ask(client, films, path, n=100, year_from=middle)["items"])
    assert all(item["year"] <= middle for item in ask(client, films, path, n=100, year_to=middle)["items"])
    out = ids(plain)[:3]
    assert not set(out) & set(ids(ask(client, films, path, n=100, exclude=out)))
    assert ids(ask(client, films, path, n=100, certification="NC-17")) == []
    assert ids(ask(client, films, path, n=3)) == ids(plain)[:3]


@every_list
def test_a_genre_is_known_in_any_capitals_or_refused(client: httpx.Client, demo: Demo, path: str) -> None:
    films = demo.data.films
    there = sorted({genre for film in films for genre in film.genres})
    genre = ask(client, films, path, n=100)["items"][0]["genres"][0]
    found = ask(client, films, path, n=100, genre=genre.upper())
    assert ids(found) == ids(ask(client, films, path, n=100, genre=genre))
    assert found["items"]
    method, url, body = LISTS[path](1, films)
    refused = client.request(method, httpx.URL(url).copy_merge_params({"genre": ["Krimi", genre]}), json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"] == f"genre=Krimi: no film has it; there are {', '.join(there)}"


@every_list
def test_what_was_seen_or_hidden_is_in_no_list(client: httpx.Client, demo: Demo, path: str) -> None:
    if path == "/v1/recommendations":
        pytest.skip("a visitor has no account")
    seen = {movie for user, movie, *_ in demo.data.ratings if user == 7}
    first = ids(ask(client, demo.data.films, path, user=7))[0]
    hide = {"event_id": f"hide-{first}", "kind": "hide", "user_id": 7, "movie_id": first}
    assert client.post("/v1/events", json=hide, headers=WRITER).status_code == 202
    assert not {first, *seen} & set(ids(ask(client, demo.data.films, path, user=7, n=100)))


@every_list
def test_no_list_is_without_rules(client: httpx.Client, demo: Demo, rules: Callable, path: str) -> None:
    """A hard filter, a pin, a cap, whatever is asked for and whichever variant: in force without a restart."""
    before = ask(client, demo.data.films, path, user=9, n=30)
    banned, genre = ids(before)[0], before["items"][1]["genres"][0]
    seen = {movie for user, movie, *_ in demo.data.ratings if user == 9}
    pin = next(
        film.movie_id for film in reversed(demo.data.films) if film.movie_id not in {*seen, banned, *ids(before)[:9]}
    )
    rules(
        f"""
        [everywhere]
        hide = [{{ movie_ids = [{banned}] }}]
        pins = [{{ movie_id = {pin}, place = 2 }}, {{ movie_id = {banned}, place = 1 }}]
        caps = {{ genre = 2 }}
        [variants.control]
        traffic_weight = 1
        [variants.other]
        traffic_weight = 1
        settings = {{ hide = [], ranked = false }}
        """
    )
    for variant in ("control", "other"):
        answer = ask(client, demo.data.films, path, user=9, n=30, variant=variant, explain=True)
        assert answer["variant"] == variant
        assert banned not in ids(answer)
        assert ids(answer)[1] == pin
        assert answer["items"][1]["reasons"]["rules"] == ["pinned"]
        firsts = [item["genres"][0] for item in answer["items"] if item["genres"]]
        assert max(firsts.count(name) for name in {*firsts, genre}) <= 2
    everything = [film.movie_id for film in demo.data.films]
    rules(f"[everywhere]\nhide = [{{ year_from = 1800 }}, {{ movie_ids = {everything} }}]")
    answer = ask(client, demo.data.films, path, user=9)
    assert answer["items"] == []
    assert any("leaves no candidate" in note for note in answer["notes"])


def test_rules_that_cannot_be_used_are_refused(client: httpx.Client, demo: Demo, rules: Callable) -> None:
    path = "/v1/popular"
    banned = ids(ask(client, demo.data.films, path))[0]
    rules(f"[everywhere]\nhide = [{{ movie_ids = [{banned}] }}]")
    assert banned not in ids(ask(client, demo.data.films, path))
    for wrong, why in (("[everywhere", "cannot be read"), ("[everywhere]\ndiversity = 2", "everywhere.diversity")):
        rules(wrong)
        answer = ask(client, demo.data.films, path)
        assert banned not in ids(answer), "the last good rules are gone"
        assert why in answer["notes"][0]


def test_variants_are_sticky_and_shared_out(client: httpx.Client, demo: Demo, rules: Callable) -> None:
    rules("[variants.a]\ntraffic_weight = 1\n[variants.b]\ntraffic_weight = 1\nsettings = { ranked = false }")
    variants = {
        user: ask(client, demo.data.films, "/v1/users/{user_id}/recommendations", user=user) for user in range(1, 41)
    }
    assert {a["variant"] for a in variants.values()} == {"a", "b"}
    assert all(a["strategy"] == ("recall" if a["variant"] == "b" else "two_stage") for a in variants.values())
    again = {
        u: ask(client, demo.data.films, "/v1/users/{user_id}/recommendations", user=u)["variant"] for u in variants
    }
    assert again == {user: answer["variant"] for user, answer in variants.items()}
    assert client.get("/v1/popular", params={"variant": "nobody"}).status_code == 404


def test_similar_films_share_what_they_are_about(client: httpx.Client, demo: Demo) -> None:
    films = {film.movie_id: film for film in demo.data.films}
    shared, others = [], []
    for movie_id in list(films)[:40]:
        near = client.get(f"/v1/films/{movie_id}/similar").json()["items"]
        assert movie_id not in [item["movie_id"] for item in near]
        mine = set(films[movie_id].genres)
        shared += [bool(mine & set(films[item["movie_id"]].genres)) for item in near]
        others += [bool(mine & set(film.genres)) for film in films.values()]
    assert sum(shared) / len(shared) > 1.2 * sum(others) / len(others)


def test_a_visitor_gets_what_a_user_of_the_same_ratings_gets(client: httpx.Client, demo: Demo) -> None:
    rated = [film.movie_id for film in demo.data.films[10:14]]
    body = {"ratings": [{"movie_id": movie, "rating": 4.5} for movie in rated]}
    visitor = client.post("/v1/recommendations", json=body, params={"n": 20}).json()
    events = [
        {"event_id": f"visit-{movie}", "kind": "rating", "user_id": 8000, "movie_id": movie, "rating": 4.5,
         "occurred_at": f"2026-01-01T00:00:0{n}Z"}
        for n, movie in enumerate(rated)
    ]  # fmt: skip
    client.post("/v1/events/bulk", json={"events": events}, headers=WRITER).raise_for_status()
    user = client.get("/v1/users/8000/recommendations", params={"n": 20}).json()
    assert visitor["user_id"] is None
    assert visitor["strategy"] == user["strategy"] == "two_stage"
    # the moments differ, and with them a little what models see
    assert len(set(ids(visitor)) & set(ids(user))) > 15
    assert client.post("/v1/recommendations", json={"ratings": [{"movie_id": NOBODY}]}).status_code == 404


def test_features_are_those_of_the_models_with_version_and_age(client: httpx.Client, demo: Demo) -> None:
    mine = sorted((at, movie) for user, movie, _, at in demo.data.ratings if user == 11)
    told = client.get("/v1/users/11/features", headers=WRITER).json()
    assert told["features"]["user_count_ratings"] == len(mine)
    assert set(told["features"]["user_seen_movie_ids"]) == {movie for _, movie in mine}
    assert told["age_seconds"] > 0
    explained = client.get("/v1/users/11/recommendations", params={"explain": True}).json()
    assert explained["versions"]["features"] == told["version"]
    assert client.get("/v1/users/11/features").status_code == 401
    assert client.get(f"/v1/users/{NOBODY}/features", headers=WRITER).status_code == 404
