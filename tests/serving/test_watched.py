"""What the server tells of itself: metrics that the dashboard asks for, and logs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.telemetry.metrics import Metrics
from tests.commands import REPOSITORY
from tests.serving.servers import KEYS, WRITER, metrics, served, wait_for


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[httpx.Client]:
    with served(workspace, **KEYS) as client:
        yield client


def lines(client: httpx.Client) -> list[dict]:
    """What the server has logged, but for what it prints for people."""
    log: Path = client.log  # type: ignore[attr-defined]
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_a_request_is_found_in_the_log_by_its_id(client: httpx.Client) -> None:
    for given, kept in (("from-the-shop-17", True), ("no id\ttoo", False), ("x" * 65, False)):
        response = client.get("/v1/popular?genre=Drama", headers={"X-Request-ID": given, **WRITER})
        mine = response.headers["x-request-id"]
        assert (mine == given) == kept
        # the answer is sent before its line is written
        wait_for(lambda mine=mine: any(line.get("request_id") == mine for line in lines(client)), "the log's line")
        (line,) = [line for line in lines(client) if line.get("request_id") == mine]
        assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/popular", 200)
        assert 0 < line["seconds"] < 60
    text = client.log.read_text()  # type: ignore[attr-defined]
    assert WRITER["X-API-Key"] not in text
    assert "Drama" not in text


def test_the_dashboard_asks_for_metrics_that_there_are(client: httpx.Client) -> None:
    client.get("/v1/users/1/recommendations")
    told = metrics(client)
    board = json.loads((REPOSITORY / "docs" / "grafana" / "serving.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"cinefeast_\w+", target["expr"])
    }
    assert len(asked) >= 7
    for name in asked:
        family = re.sub(r"_(bucket|total|info)$", "", name)
        assert f"# TYPE {family}" in told or f"# TYPE {name}" in told, name
    (count,) = re.findall(r"cinefeast_feature_age_seconds_count (\S+)", told)
    assert float(count) >= 1


def test_every_metric_is_documented() -> None:
    text = (REPOSITORY / "docs" / "serving.md").read_text()
    for family in Metrics().registry.collect():
        assert f"`{family.name}`" in text, family.name
