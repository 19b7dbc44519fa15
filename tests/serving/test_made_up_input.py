"""Whatever is sent as an event, or lies there as rules: no error of the server, and no place of it in an answer."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from dbt_project.durable import written_aside
from dbt_project.errors import CineFeastError
from dbt_project.event_contract import AHEAD, rating_problem
from dbt_project.events.schemas import FEEDBACK, RATINGS, SCHEMAS
from serving.rules.file import RuleBook, read
from serving.schemas.events import Event
from tests.commands import landed_events
from tests.inputs import QUICK_OR_SLOW, try_all
from tests.serving.made_up_rules import KNOWN, RULE_FILES
from tests.serving.servers import KEYS, WRITER, served

IDS = st.one_of(
    st.integers(-2, 300), st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1)
)
STARS = st.one_of(st.integers(-2, 12).map(lambda half: half / 2), st.floats(width=32))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("\ud800")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
EVENT_IDS = st.one_of(st.integers(0, 30).map("made-{}".format), st.text(max_size=70))
MOMENTS_SENT = st.one_of(
    st.sampled_from(
        ["2020-01-01T00:00:00Z", "2020-01-01", "1994-12-31T23:59:59Z", "9999-12-31T23:59:59+14:00", 1.6e9, -1]
    ),
    MOMENTS.map(datetime.isoformat),
)
BODIES = st.fixed_dictionaries(
    {
        "event_id": st.one_of(EVENT_IDS, ANYTHING), "kind": st.sampled_from(["rating", "watch", "click", "hide", "x"]),
        "user_id": st.one_of(IDS, ANYTHING), "movie_id": st.one_of(st.integers(1, 300), IDS, ANYTHING),
    },
    optional={"rating": st.one_of(STARS, ANYTHING), "occurred_at": st.one_of(MOMENTS_SENT, ANYTHING), "more": ANYTHING},
)  # fmt: skip
GOOD = {"event_id": "good", "kind": "watch", "user_id": 600, "movie_id": 1, "occurred_at": "2020-01-01T00:00:00Z"}
SENT = st.one_of(
    BODIES.map(lambda body: ("/v1/events", json.dumps(body).encode())),
    st.lists(BODIES, max_size=4).map(lambda many: ("/v1/events/bulk", json.dumps({"events": many}).encode())),
    ANYTHING.map(lambda body: ("/v1/events", json.dumps(body).encode())),
    st.binary(max_size=40).map(lambda body: ("/v1/events/bulk", body)),
    st.integers(1, 100_000).map(lambda depth: ("/v1/events", b"[" * depth)),
)


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, CINEFEAST_RATE_LIMIT="100000/second", **KEYS) as client:
        yield client


def assert_no_place_is_told(text: str, workspace: Path) -> None:
    for place in (str(workspace), sys.prefix, "Traceback", ".py"):
        assert place not in text, text


@QUICK_OR_SLOW
def test_http_takes_a_rating_where_dbt_does(times: int) -> None:
    def check(row: dict[str, Any]) -> None:
        event_time = row["rated_at"]
        if abs(event_time - datetime.now(UTC)) < 2 * AHEAD:
            return  # the two look at the clock one after the other
        landed = pa.Table.from_pylist([row | {"rated_at": event_time.replace(tzinfo=None)}], SCHEMAS[RATINGS])
        body = {name: row[name] for name in ("user_id", "movie_id", "rating")}
        try:
            Event.model_validate(body | {"event_id": "a", "kind": "rating", "occurred_at": event_time})
        except ValidationError:
            is_taken = False
        else:
            is_taken = True
        assert is_taken == (rating_problem(landed) is None)

    rows = st.fixed_dictionaries({"user_id": IDS, "movie_id": IDS, "rating": STARS, "rated_at": MOMENTS})
    try_all("ratings by both contracts", rows, check, 200, times)


@QUICK_OR_SLOW
def test_what_is_sent_as_events_is_taken_or_refused(client: httpx.Client, workspace: Path, times: int) -> None:
    taken: dict[str, int] = {}

    def check(sent: tuple[str, bytes]) -> None:
        path, body = sent
        answer = client.post(path, content=body, headers={"Content-Type": "application/json", **WRITER})
        assert answer.status_code in (202, 400, 404, 413, 422), answer.text
        if answer.status_code == 202:
            events = json.loads(body)
            for event in events.get("events", [events]):
                taken.setdefault(event["event_id"], event["user_id"])
        else:
            assert answer.json()["next"]
            assert_no_place_is_told(answer.text, workspace)

    try_all("bodies of events", SENT, check, 80, times, known=[("/v1/events", json.dumps(GOOD).encode())])
    landed = [*landed_events(workspace, RATINGS), *landed_events(workspace, FEEDBACK)]
    by_user = {row["user_id"] for row in landed}
    assert {GOOD["user_id"]} <= set(taken.values()) <= by_user


@QUICK_OR_SLOW
def test_rules_are_understood_or_refused_in_one_line(tmp_path: Path, times: int) -> None:
    path = tmp_path / "rules.toml"
    told: list[str] = []

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            RuleBook(read(path))
        except CineFeastError as error:
            told.append(str(error))

    tried = try_all("rule files", RULE_FILES, check, 100, times, KNOWN)
    assert 0 < len(told) < tried
    assert [one for one in told if "\n" in one or not one.startswith(str(path))] == []


@QUICK_OR_SLOW
def test_no_file_of_rules_makes_an_answer_fail(client: httpx.Client, workspace: Path, times: int) -> None:
    refused = 0

    def check(content: bytes) -> None:
        nonlocal refused
        with written_aside(workspace / "rules.toml") as part:
            part.write_bytes(content)
        answer = client.get("/v1/users/1/recommendations", params={"n": 5, "explain": True})
        assert answer.status_code == 200, answer.text
        assert_no_place_is_told(answer.text, workspace)
        refused += "rules refused" in answer.text

    tried = try_all("rule files served", RULE_FILES, check, 30, times, KNOWN)
    assert 0 < refused < tried
