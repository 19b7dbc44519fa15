"""`make collect`: all real documents through the collector into the warehouse, with faults, killed twice."""

import gzip
import json
import random
import signal
import subprocess
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbt_project.ingest.tmdb.collector import collect_films
from dbt_project.workspace import Workspace
from tests.commands import run
from tests.ingest.test_bad_input import CINEFEAST
from tests.ingest.test_collector import land_links, landed_documents, lines
from tests.ingest.tmdb_stub import FAULTS, TOKEN, Stub, serving
from tests.real_data import real_file

pytestmark = [pytest.mark.slow, pytest.mark.scale]
UNKNOWN = 45


@pytest.fixture(scope="module")
def documents() -> dict[int, dict[str, Any]]:
    """The real documents by id."""
    with gzip.open(real_file("tmdb/movies.jsonl.gz"), "rt", encoding="utf-8") as file:
        return {document["id"]: document for document in map(json.loads, file)}


def test_throughput(documents: dict[int, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no limit to speak of. The stub is threads of the same process, and has its share of both times."""
    some = {tmdb_id: documents[tmdb_id] for tmdb_id in sorted(documents)[:500]}
    rates, processing = [], []
    for run_number in range(3):
        space = Workspace(tmp_path / str(run_number))
        land_links(space, tmp_path, [*some])
        with serving(Stub(some)) as stub:
            monkeypatch.setenv("TMDB_URL", stub.url)
            monkeypatch.setenv("TMDB_TOKEN", TOKEN)
            began = time.process_time()
            collect_films(space, 2000)
            processing.append((time.process_time() - began) / len(some))
        times = [at for at, _ in stub.arrivals]
        rates.append(len(times) / (max(times) - min(times)))
        assert landed_documents(space) == some
    print("\n" + ", ".join(f"{rate:.0f}" for rate in sorted(rates)), "documents a second, three runs; "
          f"{1000 * sorted(processing)[1]:.1f} ms of processor time a document")  # fmt: skip


def test_real_documents_with_mixed_faults(
    documents: dict[int, Any], space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    gone = [max(documents) + n for n in range(1, UNKNOWN + 1)]
    linked = [*documents, *gone]
    land_links(space, tmp_path, [*linked])
    stub = Stub(documents, latency=0.02)
    for tmdb_id in rng.sample(sorted(documents), len(documents) // 20):
        stub.faults[tmdb_id] = rng.choices(FAULTS, k=rng.choice((1, 1, 2)))
    with serving(stub):
        monkeypatch.setenv("TMDB_URL", stub.url)
        monkeypatch.setenv("TMDB_TOKEN", TOKEN)
        for share in (0.2, 0.6):
            process = subprocess.Popen([*CINEFEAST, "collect", "--rate", "50"], stdout=subprocess.DEVNULL)
            while sum(stub.served.values()) < share * len(documents):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        found = collect_films(space, 50)
    times = sorted(at for at, _ in stub.arrivals)
    busiest = stub.most_in_a_second()
    seconds = times[-1] - times[0]
    restarts = sum(sorted(after - before for before, after in pairwise(times))[-2:])
    rates = [f"{len(times) / taken:.1f} a second" for taken in (seconds, seconds - restarts)]
    print(f"\n{len(times):,} requests in {seconds:.0f} s: {rates[0]}, {rates[1]} without the two restarts, "
          f"{busiest} in the busiest second, {stub.most_connections} connections")  # fmt: skip
    assert busiest <= 50
    assert stub.most_connections <= 50
    assert landed_documents(space) == documents
    assert Counter(line["tmdb_id"] for line in lines(space)) == Counter(linked)
    assert (found.left, found.answers["failed"]) == (0, 0)
    run(space.root, "dbt", "run", "--select", "+int_tmdb_movies", "+rpt_row_accounting", folder="dbt_project")
    with duckdb.connect(str(space.root / "warehouse" / "build" / "cinefeast.duckdb"), read_only=True) as warehouse:
        account = "select * exclude (source) from reporting.rpt_row_accounting where source = 'tmdb_documents'"
        assert warehouse.sql(account).fetchall() == [(len(linked), len(documents), 0, UNKNOWN, 0, 0)]
        print(f"warehouse: {len(linked):,} read = {len(documents):,} accepted + 0 rejected + {UNKNOWN} tombstones")
        reached = "select count(distinct tmdb_id), count(*) from intermediate.int_tmdb_movies"
        assert warehouse.sql(reached).fetchall() == [(len(documents), len(documents))]
