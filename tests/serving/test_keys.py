"""Who is told of users: with a read key alone nobody else, without any everybody on this machine, and on none other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbt_project.errors import CineFeastError
from serving.config import VARIABLES
from serving.keys import KeyRing
from serving.runtime.listener import is_loopback
from serving.runtime.server import check_reach, serve
from tests.serving.servers import KEYS, WRITER, served, wait_for

READER = {"X-API-Key": "a-key-that-may-read"}
OTHER = {"X-API-Key": "another-key-that-reads"}


def replace(path: Path, **lists: list[str]) -> None:
    """The file with these keys, in one step."""
    aside = path.with_suffix(".part")
    aside.write_text("".join(f"{name} = {keys!r}\n" for name, keys in lists.items()))
    aside.replace(path)


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    """A server that is closed by a file of keys."""
    replace(workspace / "keys.toml", read=[READER["X-API-Key"]])
    with served(workspace, CINEFEAST_KEYS_FILE=str(workspace / "keys.toml"), **KEYS) as client:
        yield client


def about_users(client: httpx.Client) -> list[tuple[str, str]]:
    """Every operation that takes a user's id, by its OpenAPI, with the URL that asks for user 1."""
    found = []
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            named = [one["in"] for one in operation.get("parameters", []) if one["name"] == "user_id"]
            url = path.replace("{user_id}", "1").replace("{movie_id}", "4")
            found += [(method.upper(), f"{url}?user_id=1" if where == "query" else url) for where in named]
    return found


def test_nothing_is_told_of_a_user_without_a_key(client: httpx.Client) -> None:
    asked = about_users(client)
    assert len(asked) >= 6
    assert "open:" not in client.log.read_text()  # type: ignore[attr-defined]
    for method, url in asked:
        body = {"movie_ids": [4]} if method == "POST" else None
        for headers, status in (({}, 401), ({"X-API-Key": "a-key-of-nobody"}, 401), (READER, 200), (WRITER, 200)):
            response = client.request(method, url, json=body, headers=headers)
            assert response.status_code == status, (method, url, headers, response.text)
    assert client.get("/v1/users/1/recommendations?n=0").status_code == 401, "told before what was sent is looked at"


def test_what_is_about_nobody_is_told(client: httpx.Client) -> None:
    for path in ("/v1/popular", "/v1/trending", "/v1/films/4", "/v1/films/4/similar", "/health/ready", "/page.css"):
        assert client.get(path).status_code == 200, path
    assert client.post("/v1/recommendations", json={"ratings": [{"movie_id": 4}]}).status_code == 200


def test_a_read_key_writes_nothing(client: httpx.Client) -> None:
    event = {"event_id": "r", "kind": "hide", "user_id": 1, "movie_id": 4}
    assert client.post("/v1/events", json=event, headers=READER).status_code == 401
    assert client.put("/v1/films/4", json={"title": "Mine"}, headers=WRITER).status_code == 401


def test_the_page_asks_for_a_key_as_a_browser_can_send_it(client: httpx.Client) -> None:
    refused = client.get("/?user=1")
    assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
    assert "Last seen" not in refused.text
    assert client.get("/?user=1", auth=("anyone", "a-key-of-nobody")).status_code == 401
    for sent in ({"auth": ("anyone", READER["X-API-Key"])}, {"headers": READER}):
        shown: Any = client.get("/?user=1", **sent)
        assert shown.status_code == 200
        assert "Last seen" in shown.text
    # a site elsewhere can make a browser send a login, and no header
    login: Any = ("anyone", KEYS["CINEFEAST_ADMIN_KEYS"])
    event = {"event_id": "b", "kind": "hide", "user_id": 1, "movie_id": 4}
    assert client.post("/v1/events", json=event, auth=login).status_code == 401
    assert client.get("/v1/users/1/recommendations", auth=login).status_code == 401


def test_keys_are_replaced_without_a_restart(client: httpx.Client, workspace: Path) -> None:
    def status(headers: dict[str, str]) -> int:
        return client.get("/v1/users/1/recommendations", headers=headers).status_code

    file = workspace / "keys.toml"
    replace(file, read=[READER["X-API-Key"], OTHER["X-API-Key"]])
    assert (status(READER), status(OTHER)) == (200, 200)
    replace(file, read=[OTHER["X-API-Key"]])
    assert (status(READER), status(OTHER)) == (401, 200)
    replace(file, read=["short"])
    assert (status(READER), status(OTHER), status(WRITER)) == (401, 200, 200), "the last good keys stay"
    wait_for(lambda: "keys refused" in client.log.read_text(), "it is logged")  # type: ignore[attr-defined]
    replace(file, write=["another-key-that-writes"])
    assert (status({}), status(OTHER)) == (401, 401), "a file that lost its read keys opens nothing"
    replace(file, read=[READER["X-API-Key"]])
    assert status(READER) == 200
    logged = client.log.read_text()  # type: ignore[attr-defined]
    assert not any(key["X-API-Key"] in logged for key in (READER, OTHER, WRITER))


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set these settings and no others."""

    def put(**given: str) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(f"CINEFEAST_{name.upper()}", value)

    put()
    return put


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7"])
def test_no_other_address_than_loopback_is_open_unasked(
    variables: Callable[..., None], tmp_path: Path, host: str
) -> None:
    def create_app(*_: Any) -> None:
        raise AssertionError("too late")

    for write in ({}, {"write_keys": "a-key-that-may-write"}):
        variables(**write)
        with pytest.raises(CineFeastError, match="without a read key") as caught:
            serve(create_app, create_app, host, 0)
        assert "export CINEFEAST_READ_KEYS=" in str(caught.value)
        assert "--open" in str(caught.value)
        assert check_reach(host, may_be_open=True)
        assert check_reach("127.0.0.1", may_be_open=False)
    variables(read_keys="a-key-that-may-read")
    assert not check_reach(host, may_be_open=False)
    with pytest.raises(CineFeastError, match="--open is given"):
        check_reach(host, may_be_open=True)
    replace(tmp_path / "keys.toml", read=["a-key-that-may-read"])
    variables(keys_file=str(tmp_path / "keys.toml"))
    assert not check_reach(host, may_be_open=False)


def test_loopback_has_more_than_one_name() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "cannot be read: No such file"), ("read = ['a-long-enough-secret", "no TOML"),
     ("reed = []", "reed: Extra inputs"), ("read = ['a-secret']", "read.0: String should have at least 16")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_ends_the_start_in_one_line_without_a_key(
    variables: Callable[..., None], tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "keys.toml"
    if text is not None:
        file.write_text(text)
    variables(keys_file=str(file))
    with pytest.raises(CineFeastError, match=why) as caught:
        KeyRing()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_open_server_is_closed_by_the_first_read_key(variables: Callable[..., None], tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    replace(file, write=["a-key-that-may-write"])
    variables(keys_file=str(file))
    ring = KeyRing()
    assert ring.is_open
    assert [ring.may(scope, "a-key-that-may-write") for scope in ("read", "write", "admin")] == [True, True, False]
    replace(file, read=["a-key-that-may-read"])
    assert not ring.is_open
    assert [ring.may(scope, "a-key-that-may-read") for scope in ("read", "write", "admin")] == [True, False, False]
    file.unlink()
    assert not ring.is_open
    assert ring.may("read", "a-key-that-may-read")
    assert not ring.may("read", None)
    assert not ring.may("read", "")
