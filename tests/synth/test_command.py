"""`cinefeast synth` as it is typed: the same bytes each time, nothing half, one line for a mistake."""

import fcntl
import hashlib
import os
import resource
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dbt_project.workspace import Workspace
from tests.commands import run
from tests.ingest.conftest import Ran
from tests.ingest.test_bad_input import CINEFEAST, assert_one_line

Command = Callable[..., Ran]


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.mark.slow
def test_what_is_printed_next_lands_all_of_it(cinefeast: Command, space: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "made up"
    made = cinefeast("synth", "--preset", "tiny", "--out", out)
    assert (made.code, made.err) == (0, "")
    assert "20,000 ratings by 200 users, 1,000 films, 500 tags" in made.out
    commands = [line.removeprefix("next: ") for line in made.out.splitlines() if line.startswith("next: ")]
    assert len(commands) == 2
    for command in commands:
        assert cinefeast(*shlex.split(command)[1:]).code == 0
    run(space.root, "dbt", "run", "--select", "+rpt_row_accounting", folder="dbt_project")
    with duckdb.connect(str(space.build), read_only=True) as warehouse:
        accepted = warehouse.sql("select source, count_accepted from reporting.rpt_row_accounting").fetchall()
        rejected = warehouse.sql("select count(*) from core.rejected_rows").fetchone()
    assert dict(accepted) | {"tmdb_documents": 0} == {
        "ratings": 20_000, "movies": 1_000, "links": 1_000, "tags": 500, "users": 0, "tmdb_documents": 0,
    }  # fmt: skip
    assert rejected == (0,)


def test_seed_decides_every_byte(cinefeast: Command, space: Workspace, tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert cinefeast("synth", "--preset", "tiny", "--seed", seed, "--out", tmp_path / folder).code == 0
    assert sorted(digests(tmp_path / "a")) == ["movies.jsonl.gz", "tiny.zip"]
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())
    assert cinefeast("synth", "--preset", "tiny", "--seed", 3).code == 0
    assert digests(space.synthetic / "tiny") == digests(tmp_path / "a")


def test_mistakes(cinefeast: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert_one_line(cinefeast("synth", "--preset", "ml-2m"), "'ml-2m'", "tiny, ml-100k, ml-1m, ml-10m, ml-32m, wide")
    assert_one_line(cinefeast("synth", "--preset", "tiny", "--seed", -1), "seed -1 is negative")
    assert_one_line(cinefeast("synth", "--preset", "tiny", "--out", file), file, "cinefeast synth --out")
    assert_one_line(cinefeast("synth", "--preset", "tiny", "--out", file / "below"), file, "Not a directory")
    assert_one_line(cinefeast("synth", "--preset", "tiny", "--out", "/proc/none"), "/proc/none")


def test_one_run_at_a_time(cinefeast: Command, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert_one_line(cinefeast("synth", "--preset", "tiny", "--out", tmp_path), "another cinefeast synth", tmp_path)
    os.close(descriptor)


def test_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stops the archive half-way, as a full disk does."""
    arguments = ["synth", "--preset", "tiny", "--out", str(tmp_path)]
    subprocess.run([*CINEFEAST, *arguments], check=True, capture_output=True)
    before = digests(tmp_path)
    ended = subprocess.run(
        [*CINEFEAST, *arguments, "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert_one_line(Ran(ended.returncode, ended.stdout, ended.stderr), "cannot write to", "File too large")
    assert digests(tmp_path) == before


def test_killed_run_leaves_nothing_half(cinefeast: Command, tmp_path: Path) -> None:
    arguments = ["synth", "--preset", "ml-1m", "--out", str(tmp_path)]
    running = subprocess.Popen([*CINEFEAST, *arguments], stderr=subprocess.DEVNULL)
    aside = tmp_path / ".writing" / "ml-1m.zip"
    while not aside.exists() or aside.stat().st_size < 500_000:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".writing"]
    assert cinefeast("synth", "--preset", "tiny", "--out", tmp_path).code == 0
    assert sorted(digests(tmp_path)) == ["movies.jsonl.gz", "tiny.zip"]
