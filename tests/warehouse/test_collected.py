"""From TMDb's answers to the star schema: collected from a stub, fetched again, built by dbt, read back."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from dbt_project.ingest.collect import collect
from dbt_project.ingest.film_texts import film_texts
from dbt_project.ingest.tmdb.collector import collect_films
from dbt_project.workspace import Workspace
from tests.commands import run
from tests.ingest.test_collector import land_links
from tests.ingest.tmdb_stub import TOKEN, Stub, serving

MARTS = (
    "dim_movies", "dim_people", "dim_companies", "dim_keywords", "bridge_movie_cast", "bridge_movie_crew",
    "bridge_movie_companies", "bridge_movie_keywords", "rejected_rows", "assert_every_landed_row_is_accounted_for",
)  # fmt: skip
PLOT = 'Ночь 🎬 "x"\nनई'
ZOE = {"id": 7, "name": "Zoë Łukasz"}
UNKNOWN = {"id": -12345678901, "name": "山田 光"}


def document(tmdb_id: int, **more: Any) -> dict[str, Any]:
    crew = [
        {**ZOE, "job": "Director", "department": "Directing"},
        {**ZOE, "job": "Director", "department": "Directing"},
        {**ZOE, "job": "Writer", "department": "Writing"},
        {**UNKNOWN, "job": "Editor", "department": "Editing"},
    ]
    cast = [
        {**UNKNOWN, "character": "B", "order": 1},
        {**UNKNOWN, "character": "A", "order": 0},
        {**ZOE, "character": "शर्मा", "order": 2},
        {"id": None, "name": "Nobody", "order": 3},
    ]
    return {
        "id": tmdb_id, "title": f"夜 {tmdb_id}", "overview": PLOT, "budget": 0, "revenue": 0, "runtime": 0,
        "credits": {"cast": cast, "crew": crew},
        "production_companies": [{"id": -5, "name": "Студия"}, {"id": 3, "name": "Three"}],
        "keywords": {"keywords": [{"id": -9, "name": "рассвет"}] * 2 + [{"id": 4, "name": "war"}]},
        **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, duckdb.DuckDBPyConnection]]:
    """Films 1 to 9 link to 101 to 109. 106 and 107 come from a file, and 107 is fetched later.

    Fetched again: 102 has changed, 103 is gone, 104 is answered with rubbish. 105 never was; 108 is always rubbish.
    """
    folder = tmp_path_factory.mktemp("collected")
    space = Workspace(folder / "workspace")
    land_links(space, folder, [*range(101, 110)])
    mine = folder / "zz-mine.jsonl"  # by name after what is fetched
    mine.write_text("".join(json.dumps(document(n, overview="Mine")) + "\n" for n in (106, 107)) + "no json\n")
    collect(mine, space)
    today = datetime.now(UTC).date()
    stub = Stub(
        {n: document(n) for n in (101, 102, 103, 104, 107, 108, 109)}, changes={str(today): [102, 103, 104, 107]}
    )
    stub.documents[101] |= {"budget": 5, "revenue": 6, "runtime": 90}
    stub.documents[109] = {"id": 109, "title": "Bare", "credits": None, "keywords": {}}
    stub.faults[108] = ["always invalid"]
    with pytest.MonkeyPatch.context() as patch, serving(stub):
        patch.setenv("TMDB_URL", stub.url)
        patch.setenv("TMDB_TOKEN", TOKEN)
        patch.setattr("dbt_project.ingest.retries.TRIES", 1)
        collect_films(space, 400)
        stub.documents[102] = document(102, overview="Another")
        del stub.documents[103]
        stub.faults[104] = ["always wrong"]
        collect_films(space, 400, since=today)
    select = ["--select", *(f"+{mart}" for mart in MARTS), "--indirect-selection", "cautious"]
    run(space.root, "dbt", "build", *select, folder="dbt_project")
    with duckdb.connect(str(space.root / "warehouse" / "build" / "cinefeast.duckdb"), read_only=True) as connection:
        yield space, connection


def test_the_latest_document_of_each_film_counts(built: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    space, warehouse = built
    expected = {1: PLOT, 2: "Another", 3: None, 4: PLOT, 5: None, 6: "Mine", 7: PLOT, 8: None, 9: None}
    assert dict(warehouse.sql("select movie_id, overview from core.dim_movies").fetchall()) == expected
    texts = film_texts(space)  # the embedder reads the same documents
    for movie_id, overview in expected.items():
        assert (" ".join(overview.split()) if overview else "\nWar") in texts[movie_id]
        assert ("Zoë" in texts[movie_id]) == (overview is not None)


def test_every_fetch_is_kept_and_accounted_for(built: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    space, warehouse = built
    fetches = "select status, fetched_at from intermediate.int_tmdb_documents_checked where tmdb_id = 102"
    history = warehouse.sql(f"{fetches} order by fetched_at").fetchall()
    assert [status for status, _ in history] == ["document", "document"]
    assert history[0][1] < history[1][1]
    landed = b"".join(gzip.decompress(file.read_bytes()) for file in space.raw_tmdb.glob("*.jsonl.gz")).splitlines()
    account = "select count_read, count_accepted, count_rejected, count_tombstones from reporting.rpt_row_accounting"
    # read: 2 + 1 from the file; 101-105, 108, 109; then 102, 103, 104, 107, and 108 again
    assert warehouse.sql(f"{account} where source = 'tmdb_documents'").fetchall() == [(len(landed), 9, 4, 2)]
    assert len(landed) == 15
    reasons = warehouse.sql("select reason from core.rejected_rows where source = 'tmdb_documents'").fetchall()
    assert sorted(reason for (reason,) in reasons) == [
        *["answer is not the document of the film"] * 3, "document is not valid JSON",
    ]  # fmt: skip


def test_zero_is_unknown(built: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    _, warehouse = built
    money = "select budget, lookahead_revenue, runtime from core.dim_movies where movie_id = "
    assert warehouse.sql(f"{money} 1").fetchall() == [(5, 6, 90)]
    assert warehouse.sql(f"{money} 2").fetchall() == [(None, None, None)]


def test_ids_below_zero_and_names_in_any_script_stay(built: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    _, warehouse = built
    people = warehouse.sql("select person_id, person_name, count_movies from core.dim_people").fetchall()
    assert sorted(people) == [(-12345678901, "山田 光", 5), (7, "Zoë Łukasz", 5)]
    companies = warehouse.sql("select company_id, company_name from core.dim_companies").fetchall()
    assert sorted(companies) == [(-5, "Студия"), (3, "Three")]
    keywords = warehouse.sql("select keyword_id, keyword_name from core.dim_keywords").fetchall()
    assert sorted(keywords) == [(-9, "рассвет"), (4, "war")]


def test_a_person_is_once_per_job_on_a_film(built: tuple[Workspace, duckdb.DuckDBPyConnection]) -> None:
    _, warehouse = built
    crew = warehouse.sql("select person_id, job from core.bridge_movie_crew where movie_id = 1").fetchall()
    assert sorted(crew) == [(-12345678901, "Editor"), (7, "Director"), (7, "Writer")]
    cast = "select person_id, character_name, credit_order from core.bridge_movie_cast where movie_id = 1"
    assert sorted(warehouse.sql(cast).fetchall()) == [(-12345678901, "A", 0), (7, "शर्मा", 2)]
    keywords = warehouse.sql("select keyword_id from core.bridge_movie_keywords where movie_id = 1").fetchall()
    assert sorted(keywords) == [(-9,), (4,)]
