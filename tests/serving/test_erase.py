"""A user exported and erased while the server runs: what is told is what there is, and nothing of it is left."""

import json
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast.data_source import PushMode

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from tests.commands import dbt_build, materialize, run
from tests.conftest import Demo, copy_of
from tests.features.online import compare_online_with_history
from tests.serving.servers import KEYS, WRITER, served

ARCHIVED = 4
"""Has ratings, tags and a rejected line in the archive."""
NEWCOMER = 7_700_770_077
"""Somebody who came over HTTP: no other number of the workspace has these digits or bytes."""
SENT = {"rating": 3, "hide": 1, "watch": 1}
STAYS = 5


def ids(client: httpx.Client, user_id: int) -> list[int]:
    items = client.get(f"/v1/users/{user_id}/recommendations", params={"n": 20}).json()["items"]
    return [item["movie_id"] for item in items]


def events_of(user_id: int, films: list[int]) -> list[dict[str, Any]]:
    kinds = [kind for kind, count in SENT.items() for _ in range(count)]
    return [
        {"event_id": f"e{user_id}-{n}", "kind": kind, "user_id": user_id, "movie_id": film}
        | ({"rating": 4.5} if kind == "rating" else {})
        for n, (kind, film) in enumerate(zip(kinds, films, strict=False))
    ]


def post(client: httpx.Client, *events: dict[str, Any]) -> httpx.Response:
    return client.post("/v1/events/bulk", json={"events": events}, headers=WRITER)


def export(root: Path, user_id: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(root, "cinefeast", "user", "export", str(user_id)).stdout)
    return found


@pytest.fixture(scope="module")
def told(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A server with events of three users, two of whom are exported, erased, and sent again."""
    root = copy_of(demo.root, tmp_path_factory.mktemp("erase") / "workspace")
    found: dict[str, Any] = {"root": root}
    with served(root, CINEFEAST_LOG_FEATURES="1", CINEFEAST_USER_VECTORS="version", **KEYS) as client:
        films = {user: ids(client, user) for user in (ARCHIVED, NEWCOMER, STAYS)}
        sent = {user: events_of(user, films[user]) for user in films}
        for user in films:
            assert post(client, *sent[user]).json() == {"accepted": 5, "repeated": 0, "online": True}
            ids(client, user)
        found |= {"sent": sent, "before": {user: export(root, user) for user in (ARCHIVED, NEWCOMER)}}
        for user in (ARCHIVED, NEWCOMER):
            found[user] = run(root, "cinefeast", "user", "erase", str(user), "--yes").stdout
        found["again"] = {user: post(client, sent[STAYS][0], *sent[user]) for user in (ARCHIVED, NEWCOMER)}
        found["one"] = client.post("/v1/events", json=sent[NEWCOMER][0], headers=WRITER)
        found["answers"] = {user: client.get(f"/v1/users/{user}/recommendations").json() for user in films}
        found["openapi"] = client.get("/openapi.json").json()
    return found


def test_the_export_is_what_is_known_independently(told: dict[str, Any], demo: Demo) -> None:
    before = told["before"][ARCHIVED]
    mine = [(movie, stars, at) for user, movie, stars, at in demo.data.ratings if user == ARCHIVED]
    rows = [
        (row["movie_id"], row["rating"], int(pd.Timestamp(row["rated_at"], tz="UTC").timestamp()))
        for row in before["warehouse"]["ratings"]
    ]
    assert sorted(rows) == sorted(mine)
    assert [row["reason"] for row in before["warehouse"]["rejected"]] == ["rating is not between 0.5 and 5"]
    assert before["warehouse"]["tags"]
    seen = before["online"]["user_history"]["user_seen_movie_ids"]
    assert len(seen) == len(mine) + SENT["rating"]
    for user in (ARCHIVED, NEWCOMER):
        found, sent = told["before"][user], told["sent"][user]
        films = {kind: [event["movie_id"] for event in sent if event["kind"] == kind] for kind in SENT}
        assert [row["movie_id"] for row in found["landed"]["ratings"]] == films["rating"]
        assert [(row["kind"], row["movie_id"]) for row in found["landed"]["feedback"]] == [
            (kind, film) for kind in ("hide", "watch") for film in films[kind]
        ]
        assert [row["event_id"] for row in found["ledger"]] == sorted(event["event_id"] for event in sent)
        assert found["online"]["user_feedback"]["user_hidden_movie_ids"] == films["hide"]
    assert not any(told["before"][NEWCOMER]["warehouse"].values())


def test_the_commands_say_what_is_next(told: dict[str, Any]) -> None:
    for user in (ARCHIVED, NEWCOMER):
        assert (
            told[user]
            .splitlines()[-1]
            .endswith("next: (cd dbt_project && dbt build), then feast materialize, then cinefeast train")
        )


def test_a_running_server_refuses_what_is_sent_again(told: dict[str, Any]) -> None:
    for user, answer in [*told["again"].items(), (NEWCOMER, told["one"])]:
        assert answer.status_code == 410
        problem = answer.json()
        assert problem["type"] == "urn:cinefeast:problem:user-erased"
        assert problem["detail"] == f"user {user} was erased; nothing was taken"
    assert "410" in told["openapi"]["paths"]["/v1/events"]["post"]["responses"]
    strategies = {user: answer["strategy"] for user, answer in told["answers"].items()}
    assert strategies == {ARCHIVED: "popularity", NEWCOMER: "popularity", STAYS: "two_stage"}


@pytest.fixture
def store(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(told["root"]))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "")
    return load_store()


def test_a_push_is_refused(told: dict[str, Any], store: Any) -> None:
    before = files(told["root"])
    at = pd.Timestamp("2024-01-01", tz="UTC")
    rows = [{"user_id": user, "movie_id": 1, "rating": 4.0, "rated_at": at} for user in (STAYS, ARCHIVED)]
    with pytest.raises(CineFeastError, match=f"^user {ARCHIVED} was erased; nothing was taken; next: ") as refused:
        store.push("ratings", pd.DataFrame(rows), to=PushMode.OFFLINE)
    assert "\n" not in str(refused.value)
    with pytest.raises(CineFeastError, match=f"^user {ARCHIVED} was erased"):
        store.write_to_offline_store("user_movie_rating", pd.DataFrame(rows))
    assert files(told["root"]) == before


def test_what_is_written_online_leaves_them_out(store: Any) -> None:
    """As `feast materialize` does that reads a warehouse from before."""
    lists = {
        f"user_{kind}_{part}": [1] for kind in ("hidden", "watched", "clicked") for part in ("movie_ids", "timestamps")
    }
    row = lists | {"user_last_feedback_at": 1, "event_timestamp": pd.Timestamp.now("UTC")}
    users = [ARCHIVED, 987_654]
    store.write_to_online_store("user_feedback", pd.DataFrame([row | {"user_id": user} for user in users]))
    found = store.get_online_features(["user_feedback:user_hidden_movie_ids"], {"user_id": users}).to_dict()
    assert found["user_hidden_movie_ids"] == [None, [1]]


def files(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (root / "raw" / "events" / "user_movie_rating").rglob("*.*")}


@pytest.fixture(scope="module")
def rebuilt(told: dict[str, Any]) -> Path:
    """The workspace after the next build, with all its tests, and what comes after it."""
    root: Path = told["root"]
    dbt_build(root)
    materialize(root)
    return root


def test_the_next_build_knows_nothing_of_them(rebuilt: Path, demo: Demo, told: dict[str, Any]) -> None:
    gone = (ARCHIVED, NEWCOMER)
    with duckdb.connect(str(Workspace(rebuilt).warehouse), read_only=True) as connection:
        columns = connection.sql(
            "select table_schema || '.' || table_name, column_name, data_type from information_schema.columns"
        ).fetchall()
        of_users = [name for name, column, _ in columns if column == "user_id" and "erased" not in name]
        assert len(of_users) > 15
        for name in of_users:
            assert connection.sql(f"select count(*) from {name} where user_id in {gone}").fetchall() == [(0,)], name
        for name, column, kind in columns:
            if kind == "VARCHAR":
                query = f"select count(*) from {name} where {column} like '%{NEWCOMER}%'"
                assert connection.sql(query).fetchall() == [(0,)], (name, column)
        raw = connection.sql("select raw from core.rejected_rows where source in ('ratings', 'tags')").fetchall()
        assert not [text for (text,) in raw if text.startswith(f"{ARCHIVED} | ")]
        erased, left = connection.sql(
            "select count_erased, count_accepted from reporting.rpt_row_accounting where source = 'ratings'"
        ).fetchall()[0]
        counts = dict(connection.sql("select movie_id, max(movie_count_ratings) from features.feat_movie_state "
                                     "group by movie_id").fetchall())  # fmt: skip
    theirs = [row for row in demo.data.ratings if row[0] == ARCHIVED]
    assert (erased, left) == (len(theirs) + 1, len(demo.data.ratings) - len(theirs) + SENT["rating"])
    films = [movie for user, movie, *_ in demo.data.ratings if user != ARCHIVED]
    films += [event["movie_id"] for event in told["sent"][STAYS] if event["kind"] == "rating"]
    assert {film: n for film, n in counts.items() if n} == pd.Series(films).value_counts().to_dict()


def test_no_file_has_a_trace_of_them(rebuilt: Path) -> None:
    traces = (str(NEWCOMER).encode(), NEWCOMER.to_bytes(8, "little"), NEWCOMER.to_bytes(6, "big"))
    tombstones = Workspace(rebuilt).events / "erased_user"
    names = [
        str(file.relative_to(rebuilt))
        for file in rebuilt.rglob("*")
        if file.is_file() and tombstones not in file.parents and any(trace in file.read_bytes() for trace in traces)
    ]
    assert [name for name in names if not name.startswith("serve-")] == [], "but for what the server printed"
    served_rows = [pq.read_table(file) for file in (rebuilt / "feast" / "logs").rglob("*.parquet")]
    users = {user for table in served_rows for user in table["user_id"].to_pylist()}
    assert users == {STAYS}
    for user in (ARCHIVED, NEWCOMER):
        ended = run(rebuilt, "cinefeast", "user", "export", str(user), check=False)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"error: nothing is held about user {user}, who was erased on ")
        assert len(ended.stderr.splitlines()) == 1


def test_films_online_are_what_history_says_without_them(
    rebuilt: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of films whose last rating was theirs are older in this build than what was online."""
    from feature_repo.store import load_store

    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(rebuilt))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", "")
    users, films = demo.data.ids
    assert compare_online_with_history(load_store(), [*users, NEWCOMER], films) > 1000


def test_nobody_is_kept_out_for_a_mistyped_number(told: dict[str, Any]) -> None:
    for command in (("export",), ("erase", "--yes")):
        ended = run(told["root"], "cinefeast", "user", command[0], "424242", *command[1:], check=False)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
        assert ended.stderr.startswith("error: nothing is held about user 424242; next: ")
    assert "424242" not in (Workspace(told["root"]).events / "erased_user" / "users.jsonl").read_text()
