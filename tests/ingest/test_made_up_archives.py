"""Whatever is given to `cinefeast fetch` as an archive is landed, or refused in one line."""

import io
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import strategies as st

from dbt_project.errors import CineFeastError
from dbt_project.ingest.fetch import fetch
from dbt_project.workspace import Workspace
from tests.ingest.test_bad_input import GOOD
from tests.inputs import QUICK_OR_SLOW, try_all

FIELDS = st.one_of(
    st.sampled_from(["1", "2", "4.0", "0.5", "900000000", "", "-1", "1e400", "9" * 40, "nan", "A", '"', '"A', "A,B"]),
    st.text(max_size=6),
)
LINES = st.lists(st.lists(FIELDS, max_size=6).map(",".join), max_size=6).map("\n".join)
HEADERS = st.sampled_from(
    ["userId,movieId,rating,timestamp", "movieId,title,genres", "userId,movieId,tag,timestamp", "movieId,imdbId,tmdbId"]
)
TEXTS = st.one_of(
    st.tuples(HEADERS, LINES).map("\n".join).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
    st.sampled_from(
        [*GOOD.values(), b"\x00", b"\xff\xfe", b"\r\r\n", b"userId,userId,movieId,rating,timestamp\n1,1,1,4,9\n"]
    ),
)
NAMES = st.one_of(
    st.sampled_from([*GOOD, "tags.csv", "links.csv", "ml-20m/ratings.csv", "ml-1m/ratings.dat", "/", "../ratings.csv"]),
    st.text(min_size=1, max_size=8),
)
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A zip: a good one with members changed, added or taken away, perhaps with bytes of it changed or cut off."""
    members = GOOD | draw(st.dictionaries(NAMES, TEXTS, max_size=3))
    for name in draw(st.sets(st.sampled_from(sorted(GOOD)), max_size=1)):
        members = {kept: text for kept, text in members.items() if kept != name or draw(st.booleans())}
    content = bytearray(zipped(members, draw(METHODS)))
    for at, value in draw(CHANGES):
        content[int(at * len(content))] = value
    return bytes(content[: draw(st.one_of(st.none(), st.integers(0, len(content))))])


def zipped(members: dict[str, bytes], method: int) -> bytes:
    """The members as a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def damaged(method: int) -> bytes:
    """A good archive with a byte of its first member changed."""
    content = bytearray(zipped(GOOD, method))
    content[30 + len("ratings.csv") + 12] ^= 0xFF  # 30 bytes and the name are its header
    return bytes(content)


KNOWN = [
    *(damaged(method) for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    zipped({"two\nlines.csv": b""}, zipfile.ZIP_STORED),
    zipped({"é.csv": b""} | GOOD, zipfile.ZIP_STORED).replace("é".encode(), b"\xff\xff"),
]
"""Those that failed once."""


@QUICK_OR_SLOW
def test_an_archive_is_landed_or_refused_in_one_line(space: Workspace, tmp_path: Path, times: int) -> None:
    path = tmp_path / "given.zip"
    landed = 0

    def check(content: bytes) -> None:
        nonlocal landed
        path.write_bytes(content)
        try:
            fetch("ml-20m", space, path)
        except CineFeastError as error:
            told = str(error)
            assert told.count("\n") == 0, told
            assert "; next: " in told
            assert ".py" not in told
            assert not list(space.raw_movielens.parent.glob(".movielens-building")), "nothing half is left"
        else:
            landed += 1
            assert pq.read_metadata(space.raw_movielens / "ratings.parquet").num_rows > 0

    tried = try_all("archives", archives(), check, 60, times, KNOWN)
    assert 0 < landed < tried
