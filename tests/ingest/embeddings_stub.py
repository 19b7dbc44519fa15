"""A stub of OpenAI's embeddings API on loopback."""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import numpy as np

from tests.ingest.stub_server import answering

KEY = "a-key"


@dataclass
class EmbeddingsStub:
    """What it answers, and what it was asked.

    faults: what the next requests meet that hold a text; one that starts with `always ` stays
    most_at_once: requests that were under way together at most
    """

    length: int = 8
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[list[str]] = field(default_factory=list)
    latency: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> Counter[str]:
        """How often each text came."""
        return Counter(text for texts in self.requests for text in texts)

    def fault(self, texts: list[str]) -> str | None:
        """What a request with these texts meets."""
        for text in texts:
            if planned := self.faults.get(text):
                return planned[0].removeprefix("always ") if planned[0].startswith("always ") else planned.pop(0)
        return None

    def vector(self, text: str) -> list[float]:
        """A vector of a text of its own."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return np.random.default_rng(seed).normal(size=self.length).tolist()


class Handler(BaseHTTPRequestHandler):
    """One request, one connection."""

    stub: EmbeddingsStub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return self.answer(401, {"error": {"message": "Incorrect API key"}})
        assert self.path == "/v1/embeddings"
        assert body["encoding_format"] == "float"
        texts = body["input"]
        with self.stub.lock:
            self.stub.requests.append(texts)
            self.stub.at_once += 1
            self.stub.most_at_once = max(self.stub.most_at_once, self.stub.at_once)
            fault = self.stub.fault(texts)
        time.sleep(self.stub.latency)
        with self.stub.lock:
            self.stub.at_once -= 1
        if fault and fault.isdigit():
            return self.answer(int(fault), {"error": {"message": "not now"}}, {"Retry-After": "0.1"})
        data = [{"index": n, "embedding": self.stub.vector(text)} for n, text in enumerate(texts)]
        random.Random(len(texts)).shuffle(data)
        if fault == "missing":
            data.pop()
        if fault == "zero":
            data[0]["embedding"] = [0.0] * self.stub.length
        return self.answer(200, {"object": "list", "model": body["model"], "data": data}, cut=fault == "cut")

    def answer(self, status: int, payload: object, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        """A JSON answer, or half of it."""
        body = json.dumps(payload).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)


@contextmanager
def serving_embeddings(stub: EmbeddingsStub) -> Iterator[EmbeddingsStub]:
    """The stub, answering at `stub.url` while the block runs."""
    with answering(Handler, stub) as address:
        stub.url = f"{address}/v1"
        yield stub
