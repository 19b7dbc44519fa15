"""A stub of TMDb's API on loopback: films, the change list, and what goes wrong on the way."""

import gzip
import json
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ingest.stub_server import answering

TOKEN = "a-token"
FAULTS = ("429", "500", "503", "slow", "truncated", "invalid", "wrong", "gzip", "reset")


@dataclass
class Stub:
    """What the stub answers from, and what it has seen.

    faults: what the next requests for a film meet, in order; `always` stands before a fault that stays
    changes: the change list's films by day
    arrivals: (seconds, film) of each request for a film; `served` counts documents that went out whole
    """

    documents: dict[int, dict[str, Any]]
    faults: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    changes: dict[str, list[int]] = field(default_factory=dict)
    latency: float = 0.0
    slow: float = 1.0
    retry_after: str = "0.2"
    etags: dict[int, str] = field(default_factory=dict)
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    lists: list[dict[str, str]] = field(default_factory=list)
    served: Counter[int] = field(default_factory=Counter)
    connections: int = 0
    most_connections: int = 0
    keys: set[str] = field(default_factory=set)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, tmdb_id: int) -> str | None:
        """What this request for a film meets."""
        planned = self.faults.get(tmdb_id)
        if not planned:
            return None
        return planned[0].removeprefix("always ") if planned[0].startswith("always ") else planned.pop(0)

    @property
    def asked(self) -> Counter[int]:
        """Requests for each film."""
        return Counter(tmdb_id for _, tmdb_id in self.arrivals)

    def most_in_a_second(self) -> int:
        """The largest number of requests for films in any window of one second, both ends included."""
        times = sorted(at for at, _ in self.arrivals)
        first = most = 0
        for last, at in enumerate(times):
            while at - times[first] > 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


class Handler(BaseHTTPRequestHandler):
    """One connection; requests are kept alive, and an answer leaves in one piece."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    stub: Stub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        with self.stub.lock:
            self.stub.connections += 1
            self.stub.most_connections = max(self.stub.most_connections, self.stub.connections)

    def finish(self) -> None:
        with self.stub.lock:
            self.stub.connections -= 1
        super().finish()

    def parse_request(self) -> bool:
        self.arrived = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = self.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("api_key", "")
        self.stub.keys.add(key)
        if key != TOKEN:
            return self.answer(401, {"status_code": 7, "status_message": "Invalid API key: You must be granted one."})
        if url.path == "/3/movie/changes":
            return self.change_list(query)
        assert query["append_to_response"] == "credits,keywords"
        return self.film(int(url.path.removeprefix("/3/movie/")))

    def change_list(self, query: dict[str, str]) -> None:
        """Two films a page, of the days asked for."""
        with self.stub.lock:
            self.stub.lists.append(query)
        days = [day for day in self.stub.changes if query["start_date"] <= day <= query["end_date"]]
        found = [tmdb_id for day in days for tmdb_id in self.stub.changes[day]]
        page = int(query["page"])
        results = [{"id": tmdb_id, "adult": False} for tmdb_id in found[2 * page - 2 : 2 * page]]
        self.answer(200, {"results": results, "page": page, "total_pages": max(1, (len(found) + 1) // 2)})

    def film(self, tmdb_id: int) -> None:
        """A film's document, or the fault that is planned for it."""
        with self.stub.lock:
            self.stub.arrivals.append((self.arrived, tmdb_id))
            fault = self.stub.fault(tmdb_id)
        time.sleep(self.stub.latency)
        document = self.stub.documents.get(tmdb_id)
        if fault == "429":
            return self.answer(429, {"status_message": "Too many."}, {"Retry-After": self.stub.retry_after})
        if fault in ("500", "503"):
            return self.answer(int(fault), {"status_message": "Internal error."})
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if fault == "slow":
            time.sleep(self.stub.slow)
        if document is None:
            return self.answer(404, {"status_code": 34, "status_message": "The resource could not be found."})
        etag = self.stub.etags.get(tmdb_id)
        if etag and self.headers.get("If-None-Match") == etag:
            return self.answer(304, None)
        if fault == "wrong":
            document = {**document, "id": tmdb_id + 1}
        body = json.dumps(document, ensure_ascii=False).encode()
        if fault == "invalid":
            body = body[:-1] + b"NaN"
        self.send(200, body, {"ETag": etag} if etag else {}, fault)
        with self.stub.lock:
            self.stub.served[tmdb_id] += fault in (None, "slow")
        return None

    def answer(self, status: int, payload: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        """A JSON answer."""
        self.send(status, json.dumps(payload).encode() if payload is not None else b"", headers or {}, None)

    def send(self, status: int, body: bytes, headers: dict[str, str], fault: str | None) -> None:
        """Send it gzipped, as TMDb does; cut short or with a damaged stream if that is the fault."""
        if body:
            body = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip", "Content-Type": "application/json"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "gzip":
            body = body[:10] + bytes(byte ^ 0x55 for byte in body[10:])
        if fault == "truncated":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """The stub, answering at `stub.url` while the block runs."""
    with answering(Handler, stub) as stub.url:
        yield stub
