"""What answers were made of is what the offline store says was known then; what is not is found."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from serving.monitoring.feature_log import SERVICE
from tests.commands import UNTESTED, dbt_build, run
from tests.serving.servers import KEYS, WRITER, served
from tests.serving.test_served_log import ALL, ask

LATE = datetime(2015, 7, 4, 12, 0, 1, tzinfo=UTC)


def rate(
    client: httpx.Client, name: str, user_id: int, movie_id: int, stars: float, at: datetime | None = None
) -> None:
    event = {"event_id": name, "kind": "rating", "user_id": user_id, "movie_id": movie_id, "rating": stars}
    body = event | ({"occurred_at": at.isoformat()} if at else {})
    receipt = client.post("/v1/events", json=body, headers=WRITER)
    assert receipt.json()["online"] is True, receipt.text


@pytest.fixture(scope="module")
def streamed(workspace: Path) -> Path:
    """Answers between ratings that come in on time, years late, changed and once more; then a build of all."""
    with served(workspace, **ALL, **KEYS) as client:
        first, second = ask(client, 3, "before", n=5)[:2]
        ask(client, 4, "before-4")
        rate(client, "now", 3, first, 0.5)
        ask(client, 3, "after")
        for user in (3, 4):  # before all that they had rated, or in between
            rate(client, f"late-{user}", user, second, 5.0, LATE)
            ask(client, user, f"late-{user}")
        rate(client, "now", 3, first, 0.5)
        rate(client, "later", 4, second, 1.0, LATE.replace(year=2018))
        rate(client, "again", 4, second, 2.0, LATE.replace(year=2018))
        ask(client, 4, "once-more")
    with served(workspace, **ALL, **KEYS) as client:  # which reads the films anew
        ask(client, 3, "restarted", n=20)
        rate(client, "last", 3, first, 4.0)
    dbt_build(workspace, *UNTESTED)
    return workspace


def test_all_that_was_served_is_what_was_known_then(streamed: Path) -> None:
    result = run(streamed, "cinefeast", "replay")
    *lines, last = result.stdout.splitlines()
    assert len(lines) > 25
    assert [line for line in lines if not line.endswith(" 100.00%")] == []
    count = sum(int(line.split()[1].replace(",", "")) for line in lines)
    assert count > 500
    assert last == f"{count:,} of {count:,} values that were served are what was known then"


def test_what_arrived_later_is_in_history_and_not_in_what_was_known(
    streamed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The late ratings do change what history says of the answers before them: else the test above shows nothing."""
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(streamed))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    store, log = load_store(), pq.read_table(Workspace(streamed).logs / SERVICE)
    frame = pa.table({"user_id": log["user_id"], "event_timestamp": log["user_state__user_count_ratings__timestamp"]})
    history = store.get_historical_features(frame, ["user_state:user_count_ratings"]).to_arrow()
    assert history["user_count_ratings"] != log["user_state__user_count_ratings"]


@pytest.mark.parametrize("fault", ["value", "null", "list", "moment"])
def test_a_planted_fault_is_found(fault: str, streamed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.store import load_store
    from serving.monitoring.replay import replay, told

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(streamed))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    file = sorted((Workspace(streamed).logs / SERVICE).glob("*.parquet"))[0]
    whole = pq.read_table(file)
    name, wrong = {
        "value": ("user_state__user_last_rating", 3.25),
        "null": ("movie_profile__movie_title", None),
        "list": ("user_state__user_genre_share", [0.5] * 20),
        "moment": ("user_state__user_count_ratings__timestamp", datetime(2030, 1, 1, tzinfo=UTC)),
    }[fault]
    place = whole.schema.get_field_index(name)
    values = [wrong, *whole[name].to_pylist()[1:]]
    feature = name.removesuffix("__timestamp")
    pq.write_table(
        whole.set_column(place, whole.schema.field(place), [pa.array(values, whole.schema.types[place])]), file
    )
    try:
        found = {one.feature: one for one in replay(load_store())}
    finally:
        pq.write_table(whole, file)
    assert found[feature].count - found[feature].same == 1
    (example,) = found[feature].examples
    assert example.key == f"user_id {whole['user_id'][0]}" or example.key == f"movie_id {whole['movie_id'][0]}"
    assert example.served != example.known
    assert any(line.startswith(f"{feature} of {example.key} at ") for line in told(list(found.values())))
    if fault != "moment":  # which tells of what came later, of every feature
        assert [one for one in found if found[one].same < found[one].count] == [feature]


def test_without_a_log_it_says_how_to_have_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from serving.monitoring.replay import replay

    class Store:
        def get_feature_service(self, name: str) -> None:
            assert name == SERVICE

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(tmp_path))
    with pytest.raises(CineFeastError, match=r"no features are logged in .*; next: CINEFEAST_LOG_FEATURES=1"):
        replay(Store())  # type: ignore[arg-type]
