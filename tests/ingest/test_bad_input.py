"""Every mistake ends in one line that names the file and what to do, and leaves the last landing in place."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dbt_project.ingest.fetch import fetch
from dbt_project.workspace import VARIABLE, Workspace
from tests.fixtures import FixtureData, write_zip
from tests.ingest.conftest import Ran
from tests.serving.servers import wait_for

HEADERS = {"ratings.csv": b"userId,movieId,rating,timestamp\n", "movies.csv": b"movieId,title,genres\n"}
GOOD = {
    "ratings.csv": HEADERS["ratings.csv"] + b"1,1,4.0,900000000\n",
    "movies.csv": HEADERS["movies.csv"] + b"1,A,War\n",
}
CINEFEAST = [sys.executable, "-c", "from serving.cli.main import main; main()"]


def with_ratings(content: bytes) -> dict[str, bytes]:
    """A good archive with another ratings file."""
    return GOOD | {"ratings.csv": content}


def assert_one_line(ran: Ran, *expected: object) -> None:
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert "; next: " in ran.err
    assert "Traceback" not in ran.err
    for word in expected:
        assert str(word) in ran.err


def damaged(data: FixtureData, path: Path, at: int | None = None, keep: int | None = None) -> Path:
    """The csv archive with one byte changed, or cut off."""
    content = bytearray(data.archive.read_bytes())
    if at is not None:
        content[at] ^= 0xFF
    path.write_bytes(content[:keep])
    return path


def test_unknown_name(cinefeast: Callable[..., Ran]) -> None:
    assert_one_line(cinefeast("fetch", "ml-2m"), "'ml-2m'", "ml-100k, ml-latest-small, ml-1m")


def test_missing_archive(cinefeast: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "none.zip"
    assert_one_line(cinefeast("fetch", "ml-1m", "--archive", path), path, "No such file")
    assert_one_line(cinefeast("fetch", "ml-100k", "--archive", path), path, "No such file")
    assert_one_line(cinefeast("fetch", "ml-1m", "--archive", tmp_path), tmp_path, "directory")


@pytest.mark.parametrize(("at", "keep"), [(None, 9_000), (None, 0), (3_000, None), (200, None)])
def test_damaged_archive(
    cinefeast: Callable[..., Ran], data: FixtureData, tmp_path: Path, at: int | None, keep: int | None
) -> None:
    path = damaged(data, tmp_path / "bad.zip", at, keep)
    assert_one_line(cinefeast("fetch", "ml-latest-small", "--archive", path), path)


def test_a_member_whose_checksum_is_wrong(cinefeast: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "crc.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
    path.write_bytes(path.read_bytes().replace(b"1,1,4.0,900000000\n", b"1,1,5.0,900000000\n"))
    assert_one_line(cinefeast("fetch", "ml-20m", "--archive", path), path, "ratings.csv", "CRC")


def test_a_member_behind_a_password(cinefeast: Callable[..., Ran], tmp_path: Path) -> None:
    path = write_zip(tmp_path / "secret.zip", GOOD)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the central directory calls the first member encrypted
    path.write_bytes(content)
    assert_one_line(cinefeast("fetch", "ml-20m", "--archive", path), path, "ratings.csv", "password")


@pytest.mark.parametrize(
    ("name", "members", "expected"),
    [
        ("ml-20m", {"movies.csv": GOOD["movies.csv"]}, ["has no ratings.csv", "holds movies.csv"]),
        ("ml-20m", {"ratings.csv": GOOD["ratings.csv"]}, ["has no movies.csv"]),
        ("ml-20m", {}, ["has no ratings.csv", "nothing"]),
        ("ml-1m", GOOD, ["has no ratings.dat"]),
        ("ml-1m", {f"ml-25m/{name}": content for name, content in GOOD.items()}, ["ml-25m, not ml-1m"]),
        ("ml-20m", {f"ml-25m/{name}": content for name, content in GOOD.items()}, ["fetch ml-25m --archive"]),
        ("ml-20m", with_ratings(b""), ["ratings.csv is empty"]),
        ("ml-20m", with_ratings(HEADERS["ratings.csv"]), ["ratings.csv is empty"]),
        ("ml-20m", GOOD | {"movies.csv": HEADERS["movies.csv"]}, ["movies.csv is empty"]),
        ("ml-20m", with_ratings(b"userId,movieId,timestamp\n1,1,9\n"), ["ratings.csv", "column rating"]),
        ("ml-20m", GOOD | {"tags.csv": b"userId,movieId\n"}, ["tags.csv", "column tag, timestamp"]),
        ("ml-20m", with_ratings(b"1,1,4.0,9\n2,1,4.0,9\n"), ["ratings.csv", "header is '1,1,4.0,9'"]),
        ("ml-20m", with_ratings(HEADERS["ratings.csv"] + b"1;1;4;9\n"), ["none of its 1 lines has 4"]),
        ("ml-20m", GOOD | {"movies.csv": GOOD["movies.csv"] + b"2,\xe9,War\n"}, ["movies.csv line 3 is not"]),
        (
            "ml-20m", with_ratings(HEADERS["ratings.csv"] + b"1,1,4.0,1500000000000\n2,1,4.0,1500000000001\n"),
            ["none of its 2 ratings can be used", "timestamp is not in seconds since 1970 (2)"],
        ),
        (
            "ml-20m", with_ratings(HEADERS["ratings.csv"] + b"u1,1,4.0,900000000\n"),
            ["none of its 1 ratings can be used", "user id is not a whole number (1)"],
        ),
    ],
)  # fmt: skip
def test_archive_without_what_it_must_have(
    cinefeast: Callable[..., Ran], tmp_path: Path, name: str, members: dict[str, bytes], expected: list[str]
) -> None:
    path = write_zip(tmp_path / "mine.zip", members)
    assert_one_line(cinefeast("fetch", name, "--archive", path), path, *expected)


def test_another_wheel(cinefeast: Callable[..., Ran], data: FixtureData) -> None:
    assert_one_line(cinefeast("fetch", "ml-100k", "--archive", data.archive), data.archive, "sha256", "recbole 1.2.1")


def test_links_file(cinefeast: Callable[..., Ran], dat_archive: Path, tmp_path: Path) -> None:
    links = tmp_path / "links.csv"
    arguments = ("fetch", "ml-1m", "--archive", dat_archive, "--links", links)
    assert_one_line(cinefeast(*arguments), links, "No such file")
    links.write_text("movieId,imdbId\n1,2\n")
    assert_one_line(cinefeast(*arguments), links, "no column tmdbId")
    links.write_text("movieId,imdbId,tmdbId\n")
    assert_one_line(cinefeast(*arguments), links, "is empty")


def test_workspace_that_cannot_be_written(
    cinefeast: Callable[..., Ran], data: FixtureData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "workspace"))
    for arguments in (
        ("fetch", "ml-latest-small", "--archive", data.archive),
        ("collect", "--from", data.tmdb),
    ):
        assert_one_line(cinefeast(*arguments), tmp_path / "file", VARIABLE)


def test_workspace_in_which_dbt_could_open_no_database(
    cinefeast: Callable[..., Ran], data: FixtureData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "what?" / "workspace"))
    assert_one_line(cinefeast("fetch", "ml-latest-small", "--archive", data.archive), tmp_path / "what?", VARIABLE)
    assert not (tmp_path / "what?").exists()


def test_no_network(cinefeast: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for variable in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    url = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
    assert_one_line(cinefeast("fetch", "ml-1m"), f"download {url} by hand", "fetch ml-1m --archive")
    assert_one_line(cinefeast("fetch", "ml-100k"), "recbole==1.2.1", "fetch ml-100k --archive")


def test_a_failed_fetch_leaves_the_last_landing(
    cinefeast: Callable[..., Ran], space: Workspace, data: FixtureData, tmp_path: Path
) -> None:
    fetch("ml-latest-small", space, data.archive)
    before = sorted(space.raw_movielens.parent.iterdir())
    bad = write_zip(tmp_path / "bad.zip", GOOD | {"tags.csv": b"userId\n"})
    assert_one_line(cinefeast("fetch", "ml-20m", "--archive", bad), bad)
    assert pq.read_metadata(space.raw_movielens / "ratings.parquet").num_rows == data.rating_lines
    assert sorted(space.raw_movielens.parent.iterdir()) == before


def test_a_fetch_killed_in_the_middle_leaves_the_last_landing(
    space: Workspace, data: FixtureData, tmp_path: Path
) -> None:
    fetch("ml-latest-small", space, data.archive)
    lines = b"".join(b"%d,1,4.0,900000000\n" % number for number in range(200_000)) * 20
    big = tmp_path / "big.zip"
    with zipfile.ZipFile(big, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("ratings.csv", HEADERS["ratings.csv"] + lines)
        archive.writestr("movies.csv", GOOD["movies.csv"])
    process = subprocess.Popen([*CINEFEAST, "fetch", "ml-20m", "--archive", str(big)], stderr=subprocess.DEVNULL)
    building = space.raw_movielens.parent / ".movielens-building"
    middle = building / "ratings.parquet"
    wait_for(lambda: middle.exists() or process.poll() is not None, "fetch is in the middle", every=0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert building.exists()  # it was in the middle
    assert pq.read_metadata(space.raw_movielens / "ratings.parquet").num_rows == data.rating_lines

    fetch("ml-latest-small", space, data.archive)
    assert not building.exists()


def test_the_installed_command_prints_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*CINEFEAST, "fetch", "ml-1m", "--archive", "none.zip"],
        capture_output=True, text=True, check=False, env={**os.environ, VARIABLE: str(tmp_path)},
    )  # fmt: skip
    assert_one_line(Ran(done.returncode, done.stdout, done.stderr), "none.zip")
