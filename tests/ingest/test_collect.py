"""TMDb documents: landed line for line, bad lines kept and counted, a broken file leaves the last landing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_project.ingest.collect import collect
from dbt_project.workspace import Workspace
from tests.fixtures import BAD_DOCUMENT, FixtureData
from tests.ingest.conftest import Ran
from tests.ingest.test_bad_input import assert_one_line
from tests.real_data import real_file


def landed_lines(space: Workspace, stem: str = "tmdb") -> list[str]:
    (file,) = space.raw_tmdb.glob(f"from-*-{stem}.jsonl.gz")
    return gzip.decompress(file.read_bytes()).decode().splitlines()


def test_documents_are_landed_as_they_are(cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData) -> None:
    ran = cinefeast("collect", "--from", data.tmdb)
    assert (ran.code, ran.err) == (0, "")
    assert f"landed {data.documents} documents, {data.bad_documents} lines that are no JSON object" in ran.out
    assert "This product uses the TMDB API but is not endorsed or certified by TMDB." in ran.out
    assert "machine-learning" in ran.out
    assert landed_lines(space) == gzip.decompress(data.tmdb.read_bytes()).decode().splitlines()
    assert BAD_DOCUMENT in landed_lines(space)


def test_plain_file_odd_ends_and_bad_bytes(space: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "mine.jsonl"
    half = rb'{"id": 3, "title": "\uD83d"}'  # of an emoji; DuckDB takes it for no JSON
    source.write_bytes(b'{"id": 1}\r\n\n[1]\n{"id": \xff\x01}\n  \n' + half + b'\n{"id": 2, "title": "\xe5\xa4\x9c"}')
    collected = collect(source, space)
    assert (collected.documents, collected.bad) == (2, 3)
    lines = ['{"id": 1}', "[1]", '{"id": ��}', half.decode(), '{"id": 2, "title": "夜"}']
    assert landed_lines(space, "mine") == lines


def test_a_byte_order_mark_is_no_fault_and_another_encoding_is_an_error(
    cinefeast: Callable[..., Ran], space: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "mine.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + '{"id": 1}\n{"id": 2, "title": "Café"}\n'.encode())
    assert collect(source, space).documents == 2
    before = landed_lines(space, "mine")
    assert before == ['{"id": 1}', '{"id": 2, "title": "Café"}']
    source.write_bytes('{"id": 1}\n{"id": 2, "title": "Café"}\n'.encode("latin-1"))
    assert_one_line(cinefeast("collect", "--from", source), f"{source} line 2 is not UTF-8 text", "save mine.jsonl")
    assert landed_lines(space, "mine") == before


@pytest.mark.parametrize(
    "content",
    [b"", b"not json\n", gzip.compress(b"", mtime=0), gzip.compress(b"\n\n", mtime=0)],
    ids=["empty", "no JSON", "empty gzip", "empty lines"],  # bytes with a time in them differ between processes
)
def test_no_document_at_all(cinefeast: Callable[..., Ran], space: Workspace, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "none.jsonl.gz"
    source.write_bytes(content)
    assert_one_line(cinefeast("collect", "--from", source), source, "no TMDb document")
    assert list(space.raw_tmdb.iterdir()) == []


def test_damaged_gzip_leaves_the_earlier_landing(
    cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData, tmp_path: Path
) -> None:
    collect(data.tmdb, space)
    before = landed_lines(space)
    source = tmp_path / data.tmdb.name
    content = data.tmdb.read_bytes()
    flipped = bytearray(content)
    flipped[5_000] ^= 0xFF
    for broken in (content[:6_000], content[:-4], bytes(flipped)):
        source.write_bytes(broken)
        assert_one_line(cinefeast("collect", "--from", source), source, "damaged gzip")
        assert landed_lines(space) == before
        assert len(list(space.raw_tmdb.iterdir())) == 1


def test_missing_file(cinefeast: Callable[..., Ran], tmp_path: Path) -> None:
    assert_one_line(cinefeast("collect", "--from", tmp_path / "none.jsonl.gz"), "none.jsonl.gz", "No such file")


def test_real_documents(space: Workspace) -> None:
    source = real_file("tmdb/movies.jsonl.gz")
    collected = collect(source, space)
    with gzip.open(source, "rt", encoding="utf-8") as file:
        ids = [json.loads(line)["id"] for line in file]
    assert (collected.documents, collected.bad) == (len(ids), 0)
    assert [json.loads(line)["id"] for line in landed_lines(space, "movies")] == ids
