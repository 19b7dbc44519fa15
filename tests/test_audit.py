"""The audit of dependencies, by pip-audit itself against a stub of the OSV service."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.commands import REPOSITORY

VULNERABLE = {
    "id": "OSV-2026-1",
    "affected": [
        {
            "package": {"name": "numpy", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    """Answers for each package: one vulnerability for those that the server calls vulnerable."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.server.asked.add(asked)  # type: ignore[attr-defined]
        vulnerable = asked in self.server.vulnerable  # type: ignore[attr-defined]
        body = json.dumps({"vulns": [VULNERABLE]} if vulnerable else {}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def osv() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    server.asked, server.vulnerable, server.status = set(), set(), 200  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(url: str, **more: str) -> subprocess.CompletedProcess[str]:
    service = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url, "NO_PROXY": "127.0.0.1", **more}
    command = [sys.executable, str(REPOSITORY / ".ci" / "audit.py")]
    return subprocess.run(command, env={**os.environ, **service}, capture_output=True, text=True, check=False)


def test_a_known_vulnerability_fails(osv: ThreadingHTTPServer) -> None:
    url = f"http://127.0.0.1:{osv.server_port}"
    clean = audit(url)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.startswith("audited ")
    assert {"numpy", "feast", "torch", "fastapi", "pytest"} <= osv.asked  # type: ignore[attr-defined]
    osv.vulnerable.add("numpy")  # type: ignore[attr-defined]
    found = audit(url)
    assert found.returncode == 1
    assert "OSV-2026-1 (fixed in 99.1)" in found.stdout


def test_a_service_that_cannot_be_asked_fails_nothing_and_says_so(osv: ThreadingHTTPServer) -> None:
    osv.status = 500  # type: ignore[attr-defined]
    for url in (f"http://127.0.0.1:{osv.server_port}", "http://127.0.0.1:1"):
        ran = audit(url)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith("not audited: ")
        assert ran.stdout.count("\n") == 1


def test_a_service_that_does_not_answer_is_not_waited_for(osv: ThreadingHTTPServer) -> None:
    ran = audit(f"http://127.0.0.1:{osv.server_port}", AUDIT_SECONDS="0.1")
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "not audited: no answer in 0.1 seconds\n")
