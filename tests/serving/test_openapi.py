"""Whatever is sent, with whichever key: no error of the server but a documented 503, nothing told of the machine."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.commands import REPOSITORY, run
from tests.conftest import Demo, copy_of
from tests.serving.servers import ADMIN, KEYS, PATIENCE, WRITER, served

HEADER = "X-API-Key"
READER = {HEADER: "a-key-that-may-read"}
WRONG = {HEADER: "a-key-of-nobody-at-all"}
STATES: dict[str, tuple[str, dict[str, str]]] = {
    "no keys are set": ("open", {}),
    "a key is sent where none is set": ("open", WRONG),
    "no key is sent": ("closed", {}),
    "a wrong key": ("closed", WRONG),
    "a read key": ("closed", READER),
    "a write key": ("closed", WRITER),
    "an admin key": ("closed", ADMIN),
}
"""Which server is asked, and with what."""
MAY_WRITE, MAY_ADMINISTER = ("a write key", "an admin key"), ("an admin key",)
ERASED = 4
FEW, MANY = 2, 30
"""Inputs for an operation in a state, of those that fit its schema and of those that do not."""
CHECKS: list[CheckFunction] = [response_schema_conformance, status_code_conformance]
tried: Counter[tuple[str, int]] = Counter()


@pytest.fixture(scope="module")
def servers(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx.Client]]:
    """A server without any key, and one with keys of every scope; a user was erased from both."""
    roots = {name: copy_of(demo.root, tmp_path_factory.mktemp(name) / "workspace") for name in ("open", "closed")}
    for root in roots.values():
        run(root, "cinefeast", "user", "erase", str(ERASED), "--yes", REDIS_CONNECTION_STRING="")
    closed = {"CINEFEAST_READ_KEYS": READER[HEADER], **KEYS}
    with served(roots["open"]) as one, served(roots["closed"], **closed) as other:
        yield {"open": one, "closed": other}


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many inputs were tried."""
    yield
    by_state: Counter[str] = Counter()
    by_status: Counter[int] = Counter()
    for (state, status), count in tried.items():
        by_state[state] += count
        by_status[status] += count
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{tried.total():,} inputs: {dict(by_state)}; answers: {dict(sorted(by_status.items()))}")


def seen(state: str, answer: Any, documented: set[str]) -> None:
    """What holds of every answer; counts it."""
    status, text = answer.status_code, answer.text
    tried[state, status] += 1
    assert status < 500 or (status == 503 and "503" in documented), (status, text)
    for word in ("Traceback", "site-packages", sys.prefix, str(REPOSITORY), "/workspace", ".py"):
        assert word not in text, text


def allowed(state: str, path: str, method: str) -> bool:
    """Whether a key of this state may ask for what needs one, whatever is sent."""
    if method == "put" or path.endswith("/retire"):
        return state in MAY_ADMINISTER
    if path.startswith("/v1/events"):
        return state in MAY_WRITE
    is_closed = STATES[state][0] == "closed"
    if "{user_id}" in path:
        return state.startswith(("a read", "a write", "an admin")) or not (is_closed or path.endswith("/features"))
    return True


def ask_all(servers: dict[str, httpx.Client], state: str, most: int) -> None:
    """Inputs for every operation in this state."""
    api = schemathesis.openapi.from_url(f"{servers[STATES[state][0]].base_url}/openapi.json")
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 12
    for operation in operations:
        ask_one(operation, state, most)


def ask_one(operation: Any, state: str, most: int) -> None:
    """Inputs for an operation in this state, those that fit its schema and those that do not."""
    documented = set(operation.definition.raw["responses"])
    is_allowed = allowed(state, operation.path, operation.method)
    few = settings(
        max_examples=most, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )

    def ask(case: Any) -> Any:
        sent = case.as_transport_kwargs()
        sent["headers"].pop(HEADER, None)  # of its own making
        sent["headers"].update(STATES[state][1])
        answer = requests.request(**sent, timeout=PATIENCE)
        seen(state, answer, documented)
        is_of_user = STATES[state][0] == "closed" and "user_id" in (case.query or {})
        assert answer.status_code != 401 or is_of_user or not is_allowed, answer.text
        return answer

    @few
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def fits(case: Any) -> None:
        answers = [ask(case)]
        if name_user(case):
            answers.append(ask(case))
        for answer in answers:
            assert is_allowed or answer.status_code == 401, answer.text
            case.validate_response(answer, checks=CHECKS)

    @few
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def does_not_fit(case: Any) -> None:
        answer = ask(case)
        assert is_allowed or answer.status_code in (401, 404, 405), answer.text
        case.validate_response(answer, checks=[response_schema_conformance])

    fits()
    if operation.body or operation.path_parameters or operation.query:
        does_not_fit()


def name_user(case: Any) -> bool:
    """Put the erased user in place of whoever is named; whether anybody was."""
    body = case.body if isinstance(case.body, dict) else {}
    parts = [case.path_parameters, case.query, body, *body.get("events", [])]
    named = [part for part in parts if part and "user_id" in part]
    for part in named:
        part["user_id"] = ERASED
    return bool(named)


@pytest.mark.parametrize("state", STATES)
def test_nothing_that_is_sent_makes_an_error_of_the_server(servers: dict[str, httpx.Client], state: str) -> None:
    ask_all(servers, state, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_not_much_that_is_sent_either(servers: dict[str, httpx.Client], state: str) -> None:
    ask_all(servers, state, MANY)


@pytest.mark.parametrize("state", STATES)
def test_nothing_of_an_erased_user_is_taken_with_any_key(
    servers: dict[str, httpx.Client], state: str, demo: Demo
) -> None:
    name, headers = STATES[state]
    event = {"event_id": "e", "kind": "click", "user_id": ERASED, "movie_id": demo.data.films[0].movie_id}
    for path, body in (("/v1/events", event), ("/v1/events/bulk", {"events": [event]})):
        answer = servers[name].post(path, json=body, headers=headers)
        seen(state, answer, set())
        assert answer.status_code == (410 if state in MAY_WRITE else 401), answer.text


def test_the_words_that_are_looked_for_would_be_found(tmp_path: Path) -> None:
    for text in (f"no {tmp_path / 'workspace' / 'x'}", f"File {REPOSITORY / 'serving'}", "Traceback (most recent"):
        with pytest.raises(AssertionError):
            seen("-", httpx.Response(200, text=text), set())
    for status in (500, 503):
        with pytest.raises(AssertionError):
            seen("-", httpx.Response(status), {"422"})
    for key in [key for key in tried if key[0] == "-"]:
        del tried[key]
