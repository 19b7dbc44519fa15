"""The download over real HTTP, from a server on loopback."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest.fetch import fetch
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData


class Handler(SimpleHTTPRequestHandler):
    """Serves a directory; `cut.zip`-like truncation where the directory holds a file called `cut`."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
        if (Path(self.directory) / "cut").exists() and self.path.endswith(".zip"):
            outputfile.write(source.read(1000))
        else:
            super().copyfile(source, outputfile)


@pytest.fixture
def published(tmp_path: Path, data: FixtureData) -> Path:
    """What GroupLens' server would hold, checksum beside the archive."""
    directory = tmp_path / "published"
    directory.mkdir()
    shutil.copy(data.archive, directory / "ml-latest-small.zip")
    md5 = hashlib.md5(data.archive.read_bytes()).hexdigest()
    (directory / "ml-latest-small.zip.md5").write_text(f"MD5 (ml-latest-small.zip) = {md5}\n")
    return directory


@pytest.fixture
def url(published: Path) -> Iterator[str]:
    """The address of a server that serves `published`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(published)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_checks_and_lands(space: Workspace, published: Path, url: str, data: FixtureData) -> None:
    fetch("ml-latest-small", space, base_url=url)
    assert pq.read_metadata(space.raw_movielens / "ratings.parquet").num_rows == data.rating_lines
    archives = space.raw_movielens.parent / "archives"
    assert [path.name for path in archives.iterdir()] == ["ml-latest-small.zip"]
    assert (archives / "ml-latest-small.zip").read_bytes() == data.archive.read_bytes()

    (published / "ml-latest-small.zip").unlink()  # the checked copy is used again
    fetch("ml-latest-small", space, base_url=url)


def failed(space: Workspace, name: str, url: str) -> str:
    """The error of a fetch that must fail, with nothing half done left behind."""
    with pytest.raises(CineFeastError) as raised:
        fetch(name, space, base_url=url)
    assert list((space.raw_movielens.parent / "archives").iterdir()) == []
    assert not space.raw_movielens.exists()
    return str(raised.value)


def test_wrong_checksum(space: Workspace, published: Path, url: str, dat_archive: Path) -> None:
    shutil.copy(dat_archive, published / "ml-1m.zip")
    message = failed(space, "ml-1m", url)
    assert f"{url}/ml-1m.zip has the md5 {hashlib.md5(dat_archive.read_bytes()).hexdigest()}" in message
    assert "c4d9eecfca2ab87c1945afe126590906" in message


def test_download_cut_short(space: Workspace, published: Path, url: str) -> None:
    (published / "cut").touch()
    assert f"cannot download {url}/ml-latest-small.zip" in failed(space, "ml-latest-small", url)


def test_not_found_and_nobody_there(space: Workspace, url: str) -> None:
    assert f"{url}/ml-25m.zip answered 404; next: download" in failed(space, "ml-25m", url)
    message = failed(space, "ml-1m", "http://127.0.0.1:9")
    assert "cannot download http://127.0.0.1:9/ml-1m.zip" in message
    assert "cinefeast fetch ml-1m --archive FILE" in message


def test_md5_file_without_md5(space: Workspace, published: Path, url: str) -> None:
    (published / "ml-latest-small.zip.md5").write_text("<html>sorry</html>")
    assert "holds no md5" in failed(space, "ml-latest-small", url)
