"""Text to tables: every awkward line, and block borders anywhere."""

import io
from typing import Any

import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest import lines
from dbt_project.ingest.datasets import CSV_LAYOUT, DATASETS, FileFormat

DAT = DATASETS["ml-1m"].layout
HEADER = b"userId,movieId,rating,timestamp\n"


def read(data: bytes, table: str, file: FileFormat) -> list[dict[str, Any]]:
    tables = lines.read_tables(io.BytesIO(data), table, file, "a.zip: file", lambda done: None)
    return [row for part in tables for row in part.to_pylist()]


def ratings(*rows: tuple) -> list[dict[str, Any]]:
    names = ("line_number", "user_id", "movie_id", "rating", "timestamp", "malformed_line")
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 16, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_keep_numbers_and_order_wherever_a_block_ends(
    block: int, end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    text = b"1::10::4::100\n2::10::4\n\n3::11::x::\n4::1::2::3::4\n5::12::3.5::102"
    expected = ratings(
        (1, "1", "10", "4", "100", None),
        (2, None, None, None, None, "2::10::4"),
        (3, None, None, None, None, ""),
        (4, "3", "11", "x", None, None),
        (5, None, None, None, None, "4::1::2::3::4"),
        (6, "5", "12", "3.5", "102", None),
    )
    for tail in (b"", b"\n", b"\n\n\n\n"):
        data = b"\xef\xbb\xbf" + (text + tail).replace(b"\n", end)
        assert read(data, "ratings", DAT["ratings"]) == expected


def test_header_gives_the_columns_their_places() -> None:
    data = b'timestamp,extra,"rating",movieId,userId\n100,?,4.0,10,1\n100,4.0,10,1\n'
    assert read(data, "ratings", CSV_LAYOUT["ratings"]) == ratings(
        (2, "1", "10", "4.0", "100", None), (3, None, None, None, None, "100,4.0,10,1")
    )


def test_quoted_ratings_are_read_too() -> None:
    data = HEADER + b'"1","10","4.0","100"\n1,11,3.0,101\n'
    assert [row["movie_id"] for row in read(data, "ratings", CSV_LAYOUT["ratings"])] == ["10", "11"]


def test_titles_with_separators_quotes_and_any_script() -> None:
    data = '1,"Commas, and ""Quotes"" (1994)",Drama\n2,七つの夜 (2001),War\n3,Ночь :: день,Comedy|War\n'
    rows = read(b"movieId,title,genres\n" + data.encode(), "movies", CSV_LAYOUT["movies"])
    assert [row["title"] for row in rows] == [
        'Commas, and "Quotes" (1994)',
        "七つの夜 (2001)",
        "Ночь :: день",
    ]

    data = '1::Left::Right (1999)::Drama\n2::Crème::Brûlée::x (2000)::Comedy|War\n3::Short\n4::A, "B"::War\n'
    rows = read(data.encode("latin-1"), "movies", DAT["movies"])
    assert [row["title"] for row in rows] == ["Left::Right (1999)", "Crème::Brûlée::x (2000)", None, 'A, "B"']
    assert [row["genres"] for row in rows] == ["Drama", "Comedy|War", None, "War"]
    assert rows[2]["malformed_line"] == "3::Short"


def test_a_tag_may_hold_the_separator() -> None:
    rows = read(b"7::1::scope::resolution::99\n", "tags", DATASETS["ml-10m"].layout["tags"])
    assert (rows[0]["user_id"], rows[0]["tag"], rows[0]["timestamp"]) == ("7", "scope::resolution", "99")


def test_an_open_quote_costs_its_own_line_only() -> None:
    data = b'movieId,title,genres\n1,"Open (1990),Drama\n2,"Closed, (1991)",Drama\n3,x"y,War\n'
    rows = read(data, "movies", CSV_LAYOUT["movies"])
    assert [row["malformed_line"] for row in rows] == ['1,"Open (1990),Drama', None, None]
    assert [row["title"] for row in rows] == [None, "Closed, (1991)", 'x"y']


def test_bytes_that_are_not_text_name_their_line() -> None:
    data = "movieId,title,genres\n1,Good,War\n2,Amélie,War\n".encode("latin-1")
    with pytest.raises(CineFeastError, match="file line 3 is not UTF-8 text"):
        read(data, "movies", CSV_LAYOUT["movies"])


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", HEADER, HEADER + b"\r\n"])
def test_nothing_in_the_file_is_no_rows(data: bytes) -> None:
    assert read(data, "ratings", CSV_LAYOUT["ratings"]) == []
