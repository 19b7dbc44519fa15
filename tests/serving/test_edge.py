"""What strangers may send to the port: slow, endless, forged."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select

import httpx
import pytest

from serving.api.costs import cost_of
from serving.api.hosts import names_of
from serving.telemetry.places import without_places
from tests.serving.servers import KEYS, PATIENCE, WRITER, served, state, wait_for

MOST_HEADER = 65_536


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace) as client:
        yield client


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=PATIENCE)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            found += part
    return found


def test_bodies_that_are_half_sent_hold_nobody_up_and_end(client: httpx.Client) -> None:
    head = b"POST /v1/recommendations HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(client)) for _ in range(300)]  # more than are awaited at a time
        for connection in slow:
            connection.sendall(head)
        films = client.get("/v1/popular").json()["items"]
        visitor = {"ratings": [{"movie_id": films[0]["movie_id"], "rating": 5}]}
        assert client.post("/v1/recommendations", json=visitor).status_code == 200
        for connection in slow:
            told = answer(connection)
            assert told.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 503 "))
            assert b"urn:cinefeast:problem:" in told


def test_who_may_not_change_anything_is_told_before_the_body_is_read(client: httpx.Client) -> None:
    for start in (b"POST /v1/events", b"PUT /v1/films/1"):
        with connected(client) as connection:
            connection.sendall(start + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")


def test_a_header_that_does_not_end_is_ended(client: httpx.Client) -> None:
    with connected(client) as slow, connected(client) as silent, connected(client) as later:
        later.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert later.recv(65_536).startswith(b"HTTP/1.1 200 ")
        later.sendall(b"GET /health/live HTTP/1.1\r\nhost: ")
        slow.sendall(b"GET /v1/popular HTTP/1.1\r\nhost: ")
        assert answer(slow).startswith(b"HTTP/1.1 408 ")
        assert answer(silent).startswith(b"HTTP/1.1 408 ")
        assert b"HTTP/1.1 408 " in answer(later)  # after what was left of the first answer


def test_a_header_that_grows_is_ended_before_it_takes_memory(client: httpx.Client) -> None:
    sent = 0
    with connected(client) as connection:
        connection.sendall(b"GET /v1/popular HTTP/1.1\r\nhost: localhost\r\nx-endless: ")
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 100 * MOST_HEADER:
                sent += connection.send(b"a" * MOST_HEADER)
        assert sent < 100 * MOST_HEADER
    long = {"X-Long": "a" * (MOST_HEADER - 2000)}
    assert client.get("/v1/popular", headers=long).status_code == 200


def test_a_forged_address_is_not_believed(workspace: Path) -> None:
    with served(workspace, CINEFEAST_READ_LIMIT=f"{3 * cost_of('/v1/popular')}/hour") as client:
        statuses = [client.get("/v1/popular", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


@pytest.mark.parametrize("host", ["films.attacker.example", "localhost.attacker.example", "127.0.0.1.attacker.example",
                                  "localhost:80:80", "", "evil/?x#", "\u00e4", "10.0.0.1"])  # fmt: skip
def test_who_asks_under_another_name_is_told_nothing(host: str, client: httpx.Client) -> None:
    """A page elsewhere whose name was made to mean this machine: its browser asks under that name."""
    asked = {"Host": host.encode("latin-1")}
    paths = ["/", "/docs", "/health/ready", "/v1/popular", "/v1/users/1/recommendations", "/nowhere"]
    admin = client.admin  # type: ignore[attr-defined]
    refused = [client.get(path, headers=asked) for path in paths]
    refused += [admin.get(path, headers=asked) for path in ("/metrics", "/health/ready", "/v1/popular")]
    refused.append(client.post("/v1/events", json={}, headers=asked))
    for answer in refused:
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
        assert answer.json()["type"] == "urn:cinefeast:problem:host-not-allowed"
        assert "CINEFEAST_ALLOWED_HOSTS" in answer.json()["next"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_names_of_loopback_are_known_and_none_need_not_be_sent_twice(client: httpx.Client) -> None:
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"):
        assert client.get("/v1/popular", headers={"Host": host}).status_code == 200
        assert client.admin.get("/metrics", headers={"Host": host}).status_code == 200  # type: ignore[attr-defined]
    with connected(client) as connection:
        connection.sendall(b"GET /v1/popular HTTP/1.0\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400 ")


def test_names_that_are_set_are_known_too(workspace: Path) -> None:
    with served(workspace, CINEFEAST_ALLOWED_HOSTS="films.example.org, *.below.example.org") as client:
        asked = ["films.example.org", "a.below.example.org:80", "localhost", "example.org", "below.example.org"]
        statuses = [client.get("/health/live", headers={"Host": host}).status_code for host in asked]
        assert statuses == [200, 200, 200, 400, 400]


@pytest.mark.parametrize(
    ("address", "known"), [("0.0.0.0", ""), ("::", ""), ("127.0.0.1", "127.0.0.1"), ("192.0.2.7", "192.0.2.7"),
                           ("films.example.org", "films.example.org"), ("2001:db8::7", "[2001:db8::7]")],
)  # fmt: skip
def test_the_address_itself_is_a_name(address: str, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFEAST_ALLOWED_HOSTS", "other.example.org")
    assert set(names_of(address)) - {known} == {"localhost", "127.0.0.1", "[::1]", "other.example.org"} - {known}
    assert not known or known in names_of(address)


def test_what_follows_a_body_in_chunks_takes_no_memory_either(client: httpx.Client) -> None:
    head = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-endless: "
    with connected(client) as connection:
        connection.sendall(head)
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 100 * MOST_HEADER:
                sent += connection.send(b"a" * MOST_HEADER)
        assert sent < 100 * MOST_HEADER


@pytest.mark.parametrize(
    ("start", "told"), [(b"GET /health/live", b"HTTP/1.1 200 "), (b"POST /v1/recommendations", b"HTTP/1.1 408 ")]
)
@pytest.mark.parametrize("rest", [b"transfer-encoding: chunked\r\n\r\n0\r\nx-slow: ", b"content-length: 100\r\n\r\n{"])
def test_what_follows_a_header_is_not_awaited_for_ever(
    start: bytes, told: bytes, rest: bytes, client: httpx.Client
) -> None:
    with connected(client) as connection:
        connection.sendall(start + b" HTTP/1.1\r\nhost: localhost\r\n" + rest)
        found = connection.recv(65_536)
        assert found.startswith(told)

        def is_closed() -> bool:
            """A byte now and then keeps the connection from being idle."""
            try:
                connection.sendall(b"a")
                return bool(select([connection], [], [], 0.5)[0]) and not connection.recv(65_536)
            except (BrokenPipeError, ConnectionResetError):
                return True

        wait_for(is_closed, "the connection is closed", seconds=60)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health/live", "/v1/popular", "/nowhere"])
def test_no_answer_is_taken_for_another_type(path: str, client: httpx.Client) -> None:
    assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"
    assert client.post(path, content=b"a" * 1_000_001).headers["X-Content-Type-Options"] == "nosniff"


def test_the_documentation_needs_no_other_server(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 3
    for file in files:
        assert file.startswith("/")
        assert client.get(file).status_code == 200
    assert client.get("/v1/popular").headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_no_answer_tells_where_things_lie(copied: Path) -> None:
    with served(copied, may_log=True, **KEYS) as client:
        (copied / "artifacts" / "two_tower" / "model.safetensors").write_bytes(b"damaged")
        wait_for(lambda: state(client)["refused"] is not None, "the artifact is refused")
        (copied / "rules.toml").write_text("[everywhere")
        (copied / "feast" / "online.db").write_bytes(b"no database " * 1000)
        answers = [client.get(path) for path in ("/v1/popular", "/v1/users/1/recommendations")]
        answers.append(client.admin.get("/health/ready"))  # type: ignore[attr-defined]
        answers.append(client.get("/v1/users/1/features", headers=WRITER))
        assert answers[-1].status_code == 503
        told = " ".join(answer.text for answer in answers)
        for word in (
            "rules refused: workspace/rules.toml",
            "workspace/artifacts/two_tower",
            "the online store workspace",
        ):
            assert word in told, told
        assert str(copied.parent) not in told
        assert str(copied) in client.log.read_text()  # type: ignore[attr-defined]


def test_addresses_of_stores_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "a.example:6379,b.example:6380,password=hidden")
    told = without_places("Error 111 connecting to b.example:6380. Redis at a.example:6379,b.example:6380")
    assert "example" not in told
