"""The TMDb collector over real HTTP: nothing lost, nothing asked twice, never faster than allowed."""

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest.collect import collect
from dbt_project.ingest.fetch import fetch
from dbt_project.ingest.retries import TransientError, read_json, retry_after
from dbt_project.ingest.tmdb.collector import Collected, collect_films
from dbt_project.workspace import Workspace
from tests.fixtures import csv_bytes, write_zip
from tests.ingest.conftest import Ran
from tests.ingest.test_bad_input import CINEFEAST, assert_one_line
from tests.ingest.tmdb_stub import FAULTS, TOKEN, Stub, serving
from tests.serving.servers import wait_for

ODD = r"""[]
{"id": "x"}
no json
{"id": 1e400}
{"id": 600, "title": "\ud83d half of an emoji"}
{"fetched_at": 3}
{"fetched_at": "", "tmdb_id": {}, "status": []}
{"fetched_at": "", "tmdb_id": 600, "status": "document", "etag": "\ud83d", "tries": 1}
{"fetched_at": "", "tmdb_id": 5003, "status": "document", "etag": 7, "tries": 1e99}
"""
"""Lines that say nothing of any linked film."""
FAST = 400.0
"""Requests a second where the rate is not what is tested."""


def made_up(tmdb_id: int) -> dict[str, Any]:
    """A document of some size, with names in several scripts."""
    cast = [{"id": -n, "name": f"山田 {n}", "order": n, "character": None} for n in range(20)]
    return {"id": tmdb_id, "title": f"फ़िल्म {tmdb_id}", "overview": "Ночь. " * 40, "credits": {"cast": cast, "crew": []}}


def land_links(space: Workspace, folder: Path, tmdb_ids: list[int | str]) -> None:
    """A data set whose films link to these ids."""
    films = list(enumerate(tmdb_ids, 1))
    members = {
        "ratings.csv": csv_bytes("userId,movieId,rating,timestamp", [(1, 1, 4.0, 1_000_000_000)]),
        "movies.csv": csv_bytes("movieId,title,genres", [(n, f"Film {n}", "War") for n, _ in films]),
        "links.csv": csv_bytes("movieId,imdbId,tmdbId", [(n, "1", tmdb_id) for n, tmdb_id in films]),
    }
    archive = write_zip(folder / "links.zip", {f"ml-latest-small/{name}": data for name, data in members.items()})
    fetch("ml-latest-small", space, archive)


def parts(space: Workspace) -> list[Path]:
    return sorted(space.raw_tmdb.glob("tmdb-*.jsonl.gz"))


def lines(space: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for part in parts(space) for line in gzip.decompress(part.read_bytes()).splitlines()]


def landed_documents(space: Workspace) -> dict[int, Any]:
    return {line["tmdb_id"]: line["document"] for line in lines(space) if line["status"] == "document"}


def counts(found: Collected) -> dict[str, int]:
    return dict(found.answers) | {"done": found.done, "left": found.left}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A stub with 120 films, ids 10, 20, ..., that the environment points to."""
    with serving(Stub({n: made_up(n) for n in range(10, 1210, 10)})) as stub:
        monkeypatch.setenv("TMDB_URL", stub.url)
        monkeypatch.setenv("TMDB_TOKEN", TOKEN)
        monkeypatch.delenv("TMDB_API_KEY", raising=False)
        yield stub


@pytest.fixture
def linked(space: Workspace, stub: Stub, tmp_path: Path) -> list[int]:
    """The stub's films, and two that it does not know, as links; some bad ones and one twice beside them."""
    ids = [*stub.documents, 5001, 5002]
    land_links(space, tmp_path, [*ids, "", "x", -7, 0, 10, 10**30])
    return ids


def test_every_document_is_landed_as_it_was_served(space: Workspace, stub: Stub, linked: list[int]) -> None:
    found = collect_films(space, FAST)
    assert counts(found) == {"document": 120, "tombstone": 2, "done": 0, "left": 0}
    assert landed_documents(space) == stub.documents
    assert stub.asked == Counter(linked)
    assert {line["tmdb_id"] for line in lines(space) if line["status"] == "tombstone"} == {5001, 5002}
    stamps = [line["fetched_at"] for line in lines(space)]
    assert stamps == sorted(stamps)
    assert sorted(path.name for path in space.raw_tmdb.glob(".*")) == []


def test_what_is_done_is_not_asked_again(space: Workspace, stub: Stub, linked: list[int]) -> None:
    collect_films(space, FAST)
    before = parts(space)
    assert counts(collect_films(space, FAST)) == {"done": len(linked), "left": 0}
    for file in space.raw_tmdb.glob("ledger.sqlite*"):  # a lost ledger is read from what is landed
        file.unlink()
    assert counts(collect_films(space, FAST)) == {"done": len(linked), "left": 0}
    assert stub.asked == Counter(linked)
    assert parts(space) == before


def test_documents_that_one_has_are_not_asked_for(
    space: Workspace, stub: Stub, linked: list[int], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text("".join(f"{json.dumps(made_up(n))}\n" for n in linked[:50]) + ODD)
    collect(mine, space)
    assert counts(collect_films(space, FAST)) == {"document": 70, "tombstone": 2, "done": 50, "left": 0}
    assert not set(stub.asked) & set(linked[:50])


def test_whatever_goes_wrong_on_the_way_is_asked_again(space: Workspace, stub: Stub, linked: list[int]) -> None:
    rng = random.Random(3)
    met = {tmdb_id: rng.choices(FAULTS, k=rng.choice((0, 0, 1, 1, 2))) for tmdb_id in stub.documents}
    stub.faults = {tmdb_id: [*faults] for tmdb_id, faults in met.items()}
    stub.slow = 7.0
    found = collect_films(space, FAST, timeout=3.0)
    assert counts(found) == {"document": 120, "tombstone": 2, "done": 0, "left": 0}
    assert landed_documents(space) == stub.documents
    assert stub.asked == Counter({tmdb_id: 1 + len(met.get(tmdb_id, [])) for tmdb_id in linked})
    tries = {line["tmdb_id"]: line["tries"] for line in lines(space)}
    assert tries == dict(stub.asked)


def test_what_stays_wrong_is_kept_and_told(cinefeast: Callable[..., Ran], stub: Stub, linked: list[int]) -> None:
    stub.faults = {10: ["always invalid"], 20: ["always wrong"], 30: ["always 500"], 40: ["always reset"]}
    ran = cinefeast("collect", "--rate", 50)
    assert (ran.code, ran.err) == (0, "")
    assert "122 linked films: 0 done before, 122 due" in ran.out
    assert "asked for 122: 116 documents, 2 not in TMDB (404), 2 answered with no document" in ran.out
    assert "2 not answered (asked again next time); 0 left" in ran.out
    assert re.search("the last that was not answered: (status 500|ReadError|RemoteProtocolError)", ran.out)
    assert "six months" in ran.out
    assert TOKEN not in ran.out
    space = Workspace(Path(os.environ["CINEFEAST_WORKSPACE"]))
    kept = {line["tmdb_id"]: line for line in lines(space) if line["status"] == "rejected"}
    assert kept.keys() == {10, 20}
    assert kept[10]["document"].startswith('{"id": 10, "title": "फ़िल्म 10"')
    assert (kept[10]["reason"], kept[20]["reason"]) == ("not valid JSON", "not the document of film 20")

    stub.faults = {}
    assert counts(collect_films(space, FAST)) == {"document": 4, "done": 118, "left": 0}


def test_a_refused_key_stops_at_once(
    cinefeast: Callable[..., Ran], space: Workspace, stub: Stub, linked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_TOKEN", "wrong")
    ran = cinefeast("collect")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "error: TMDB answers 401: Invalid API key" in ran.err
    assert "export TMDB_TOKEN=" in ran.err
    assert stub.arrivals == []
    assert parts(space) == []
    monkeypatch.delenv("TMDB_TOKEN")
    assert "neither TMDB_TOKEN nor TMDB_API_KEY is set" in cinefeast("collect").err
    monkeypatch.setenv("TMDB_API_KEY", TOKEN)
    assert "asked for 3: 3 documents; 119 left" in cinefeast("collect", "--limit", 3).out


@pytest.mark.parametrize("token", ["schlüssel", "two\nlines", "Bearer a-token"])
def test_what_can_be_no_key_is_one_line(
    cinefeast: Callable[..., Ran], stub: Stub, linked: list[int], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("TMDB_TOKEN", token)
    ran = cinefeast("collect")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "error: TMDB_TOKEN holds a space, a line break or a letter that no key has" in ran.err
    assert token not in ran.err
    assert stub.arrivals == []


def test_a_server_that_is_gone_is_one_line(
    space: Workspace, linked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("dbt_project.ingest.retries.TRIES", 1)
    with pytest.raises(CineFeastError, match="did not answer for 50 films in a row: ConnectError"):
        collect_films(space, FAST)
    with pytest.raises(CineFeastError, match="did not answer: ConnectError"):
        collect_films(space, FAST, limit=2)
    assert list(space.raw_tmdb.glob("*tmdb-*")) == []


def test_a_run_right_after_another_counts_what_that_one_sent(space: Workspace, stub: Stub, linked: list[int]) -> None:
    """It may have been killed: nothing else tells what it asked for in its last second."""
    for _ in range(2):
        collect_films(space, 30, limit=30)
    assert len(stub.arrivals) == 60
    assert stub.most_in_a_second() <= 30


def test_never_faster_than_allowed_and_hardly_slower(space: Workspace, stub: Stub, linked: list[int]) -> None:
    """In a process of its own, as one runs it; what is slow holds nothing up. A busy machine has ten tries."""
    stub.latency = 0.05
    for _ in range(10):
        shutil.rmtree(space.raw_tmdb)
        stub.arrivals.clear()
        stub.faults = {tmdb_id: ["slow"] for tmdb_id in linked[::10]}
        subprocess.run([*CINEFEAST, "collect", "--rate", "20", "--limit", "90"], check=True, stdout=subprocess.DEVNULL)
        times = [at for at, _ in stub.arrivals]
        assert len(times) == 90
        assert stub.most_in_a_second() <= 20
        rate = (len(times) - 1) / (times[-1] - times[0])
        if rate >= 0.9 * 20:
            break
    assert rate >= 0.9 * 20


def test_fifty_connections_at_most(space: Workspace, stub: Stub, linked: list[int]) -> None:
    stub.latency = 3.0
    collect_films(space, 1000, limit=60)
    assert 40 <= stub.most_connections <= 50


def test_too_many_requests_pause_and_slow_all(space: Workspace, stub: Stub, linked: list[int]) -> None:
    """From the 429 on no request for as long as it says; then at half the pace, and faster again.

    A busy machine, which may be slow at any moment, has ten tries to be faster.
    """
    stub.retry_after = "1"
    for _ in range(10):
        shutil.rmtree(space.raw_tmdb)
        stub.arrivals.clear()
        stub.faults = {linked[9]: ["429"]}
        collect_films(space, 20, limit=70)
        assert len(landed_documents(space)) == 70
        times = [at for at, _ in stub.arrivals]
        pause, after = max((b - a, n) for n, (a, b) in enumerate(pairwise(times), 1))
        assert pause >= 0.5  # a second, but for what was under way
        if after + 50 < len(times) and times[after + 50] - times[after + 30] < 20 / 10:
            break
    assert times[after + 20] - times[after] >= 0.6 * 20 / 10  # half of 20 a second, but for what leaves at once
    assert times[after + 50] - times[after + 30] < 20 / 10


def test_retry_after_is_seconds_or_a_date() -> None:
    later = (datetime.now(UTC) + timedelta(seconds=40)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for value, expected in (("7", 7), ("0.5", 0.5), ("-1", 1), ("inf", 1), (later, 39.5), ("soon", 1)):
        assert retry_after(httpx.Response(429, headers={"Retry-After": value})) == pytest.approx(expected, abs=1)
    assert retry_after(httpx.Response(429)) == 1


def test_a_run_that_is_told_to_wait_for_long_ends(cinefeast: Callable[..., Ran], stub: Stub, linked: list[int]) -> None:
    stub.retry_after = "3600"
    stub.faults = {linked[9]: ["429"]}
    ran = cinefeast("collect", "--limit", 30)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "error: 127.0.0.1 asks to wait for 3,600 seconds; next: run the same command again" in ran.err
    assert "left for the next run" in cinefeast("collect", "--limit", 30).out


@pytest.mark.parametrize("content", [b'{"a": NaN}', rb'{"a": "\ud83d"}', b"[" * 9999, b'"\xff"', b"{", b""])
def test_an_answer_that_the_warehouse_could_not_read_is_no_json(content: bytes) -> None:
    with pytest.raises(TransientError, match="not valid JSON"):
        read_json(httpx.Response(200, content=content))


def test_killed_in_the_middle_it_goes_on(space: Workspace, stub: Stub, linked: list[int]) -> None:
    """Three times kill -9, one part finished by hand: all is landed, and only what was under way is asked twice."""
    stub.latency = 0.1
    for upto in (20, 50, 80):
        process = subprocess.Popen([*CINEFEAST, "collect", "--rate", "50"], stdout=subprocess.DEVNULL)

        def is_far_enough(process: subprocess.Popen = process, upto: int = upto) -> bool:
            is_in_the_middle = sum(stub.served.values()) >= upto and any(space.raw_tmdb.glob(".tmdb-*.jsonl"))
            return is_in_the_middle or process.poll() is not None

        wait_for(is_far_enough, f"{upto} answers", every=0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        growing = list(space.raw_tmdb.glob(".tmdb-*.jsonl"))
        assert len(growing) == 1
    with growing[0].open("a") as file:
        file.write('{"tmdb_id": 10, "status": "docu')  # torn in the middle of a line
    written = {line["tmdb_id"] for line in lines(space)}
    written |= {json.loads(line)["tmdb_id"] for line in growing[0].read_text().splitlines()[:-1]}
    before = stub.asked
    found = collect_films(space, FAST)
    assert found.done == len(written)
    assert landed_documents(space) == stub.documents
    assert not set(stub.asked - before) & written
    assert sum(stub.asked.values()) - len(linked) <= 3 * 50  # what was under way
    assert Counter(line["tmdb_id"] for line in lines(space)) == Counter(linked)  # no answer is landed twice
    assert list(space.raw_tmdb.glob(".tmdb-*")) == []


def test_links_that_are_no_whole_numbers_are_told(
    cinefeast: Callable[..., Ran], space: Workspace, tmp_path: Path
) -> None:
    land_links(space, tmp_path, [9000, "9001.0", "9_002", ""])
    said = cinefeast("collect", "--dry-run").out
    assert "1 linked films: 0 done before, 1 due" in said
    assert "2 links are left out: their TMDb id is not a whole number (dbt rejects them)" in said
    land_links(space, tmp_path, ["9001.0", "9002.0"])
    refused = cinefeast("collect", "--dry-run")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "none of the 2 landed links to TMDB is a whole number: 9001.0; next: " in refused.err


def test_limit_and_dry_run(cinefeast: Callable[..., Ran], stub: Stub, linked: list[int]) -> None:
    assert "122 linked films: 0 done before, 122 due" in cinefeast("collect", "--dry-run").out
    assert "would ask for 60, in 1.0 minutes" in cinefeast("collect", "--dry-run", "--limit", 60, "--rate", 1).out
    assert stub.arrivals == []
    assert "asked for 7: 7 documents; 115 left" in cinefeast("collect", "--limit", 7).out
    assert "122 linked films: 7 done before, 115 due" in cinefeast("collect", "--dry-run").out
    assert stub.asked == Counter(linked[:7])


def test_since_asks_for_what_changed_by_its_etag(space: Workspace, stub: Stub, linked: list[int]) -> None:
    stub.etags = {tmdb_id: f'W/"{tmdb_id}"' for tmdb_id in linked[:10]}
    collect_films(space, FAST)
    stub.arrivals.clear()
    today = datetime.now(UTC).date()
    since = today - timedelta(days=30)
    stub.changes = {str(since): [10, 20, 77], str(since + timedelta(days=13)): [30], str(today): [40, 110, 120]}
    stub.documents[30] = {**made_up(30), "title": "Another"}
    stub.etags[30] = 'W/"new"'
    found = collect_films(space, FAST, since, is_dry_run=True)
    assert (found.due, stub.arrivals) == (6, [])
    assert counts(collect_films(space, FAST, since, limit=2)) == {"unchanged": 2, "done": 116, "left": 4}
    assert counts(collect_films(space, FAST, since)) == {"document": 3, "unchanged": 1, "done": 118, "left": 0}
    assert stub.asked == Counter([10, 20, 30, 40, 110, 120])  # what the first run did is done
    assert landed_documents(space) == stub.documents
    assert sum(line["tmdb_id"] == 30 for line in lines(space)) == 2  # the earlier one is kept
    days = [(date.fromisoformat(q["start_date"]), date.fromisoformat(q["end_date"])) for q in stub.lists]
    assert all((last - first).days < 14 for first, last in days)
    assert counts(collect_films(space, FAST, since)) == {"unchanged": 4, "document": 2, "done": 116, "left": 0}
    stub.lists.clear()
    collect_films(space, FAST, date(1890, 1, 1))  # what is older than six months is due without a list
    assert date.fromisoformat(stub.lists[0]["start_date"]) == today - timedelta(days=180)
    with pytest.raises(CineFeastError, match="lies in the future"):
        collect_films(space, FAST, today + timedelta(days=2))


def test_after_six_months_a_document_is_asked_for_again(
    space: Workspace, stub: Stub, linked: list[int], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text("".join(f"{json.dumps(made_up(n))}\n" for n in linked))
    landed = collect(mine, space).file
    assert counts(collect_films(space, FAST)) == {"done": 122, "left": 0}
    old = time.time() - 181 * 86_400
    os.utime(landed, (old, old))
    for file in space.raw_tmdb.glob("ledger.sqlite*"):
        file.unlink()
    assert counts(collect_films(space, FAST)) == {"document": 120, "tombstone": 2, "done": 0, "left": 0}
    assert counts(collect_films(space, FAST)) == {"done": 122, "left": 0}


def test_without_links_there_is_nothing_to_ask(
    cinefeast: Callable[..., Ran], space: Workspace, stub: Stub, tmp_path: Path
) -> None:
    assert "no landed links to TMDB" in cinefeast("collect").err
    land_links(space, tmp_path, [-5, ""])
    assert "cinefeast fetch ml-latest-small" in cinefeast("collect").err
    assert_one_line(cinefeast("collect", "--from", "x", "--limit", 3), "--from asks TMDB for nothing")


def test_a_damaged_ledger_is_one_line(cinefeast: Callable[..., Ran], space: Workspace, linked: list[int]) -> None:
    (space.raw_tmdb / "ledger.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 30)
    ran = cinefeast("collect")
    assert f"{space.raw_tmdb / 'ledger.sqlite'} cannot be used" in ran.err
    assert f"next: rm {space.raw_tmdb / 'ledger.sqlite'}*" in ran.err
