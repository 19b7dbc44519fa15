"""What strangers may send to the port: slow, endless, forged."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.serving.servers import PATIENCE, served

MOST_HEADER = 65_536


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, CINEFEAST_READ_LIMIT="1000/hour") as client:
        yield client


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=PATIENCE)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_bodies_that_are_half_sent_hold_nobody_up_and_end(client: httpx.Client) -> None:
    head = b"POST /v1/recommendations HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n{"
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(client)) for _ in range(80)]  # more than are answered at a time
        for connection in slow:
            connection.sendall(head)
        films = client.get("/v1/popular").json()["items"]
        visitor = {"ratings": [{"movie_id": films[0]["movie_id"], "rating": 5}]}
        assert client.post("/v1/recommendations", json=visitor).status_code == 200
        for connection in slow:
            told = answer(connection)
            assert told.startswith(b"HTTP/1.1 408 ")
            assert b"urn:cinefeast:problem:body-too-slow" in told


def test_a_header_that_does_not_end_is_ended(client: httpx.Client) -> None:
    with connected(client) as slow, connected(client) as silent, connected(client) as later:
        later.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        assert later.recv(65_536).startswith(b"HTTP/1.1 200 ")
        later.sendall(b"GET /health/live HTTP/1.1\r\nhost: ")
        slow.sendall(b"GET /v1/popular HTTP/1.1\r\nhost: ")
        assert answer(slow).startswith(b"HTTP/1.1 408 ")
        assert answer(silent).startswith(b"HTTP/1.1 408 ")
        assert b"HTTP/1.1 408 " in answer(later)  # after what was left of the first answer


def test_a_header_that_grows_is_ended_before_it_takes_memory(client: httpx.Client) -> None:
    sent = 0
    with connected(client) as connection:
        connection.sendall(b"GET /v1/popular HTTP/1.1\r\nhost: here\r\nx-endless: ")
        try:
            while sent < 100 * MOST_HEADER:
                sent += connection.send(b"a" * MOST_HEADER)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 100 * MOST_HEADER
    long = {"X-Long": "a" * (MOST_HEADER - 2000)}
    assert client.get("/v1/popular", headers=long).status_code == 200


def test_a_forged_address_is_not_believed(workspace: Path) -> None:
    with served(workspace, CINEFEAST_READ_LIMIT="3/hour") as client:
        statuses = [client.get("/v1/popular", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health/live", "/metrics", "/v1/popular", "/nowhere"])
def test_no_answer_is_taken_for_another_type(path: str, client: httpx.Client) -> None:
    assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"
    assert client.post(path, content=b"a" * 1_000_001).headers["X-Content-Type-Options"] == "nosniff"
