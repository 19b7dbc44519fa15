"""`cinefeast train --final` on a built workspace: what it leaves, what is served, and what stays out of evaluation."""

import json
import os
import re
import shutil
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.offline_store.warehouse import open_warehouse
from models.artifacts import checksum
from models.served import CHANNELS, RANKER, served_models
from models.train import forget_final
from serving.doctor.artifacts import artifacts_check, learned_check, reports_check
from serving.doctor.warehouse import read_warehouse
from tests.commands import UNTESTED, dbt_build, environment_of, materialize, run, start
from tests.conftest import TRAINED, Demo, copy_of, files_of
from tests.serving.servers import ADMIN, KEYS, WRITER, served, state, wait_for

NAMES = (*CHANNELS, RANKER)


@pytest.fixture(scope="module")
def final(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str], str]:
    """A workspace after the final fit, the lines that it printed, and what it told beside."""
    root = copy_of(demo.root, tmp_path_factory.mktemp("final") / "workspace")
    ran = run(root, "cinefeast", "train", "--final", REDIS_CONNECTION_STRING="")
    return Workspace(root), ran.stdout.splitlines(), ran.stderr


def told(space: Workspace, *path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((space.artifacts.joinpath(*path)).read_text())
    return found


def asked(space: Workspace, sql: str) -> list[Any]:
    with open_warehouse(str(space.warehouse)) as connection:
        return connection.sql(sql).fetchall()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def test_the_final_set_learned_the_newest_rating_with_the_choices_of_validation(
    final: tuple[Workspace, list[str], str],
) -> None:
    space = final[0]
    ((newest,),) = asked(space, "select max(event_timestamp) from training.training_labels")
    ((cut,),) = asked(space, "select min(event_timestamp) from training.training_labels where split_time = 'test'")
    for name in NAMES:
        judged, now = told(space, name, "config.json"), told(space, "final", name, "config.json")
        assert (judged["fit"], now["fit"]) == ("evaluation", "final")
        assert moment(judged["learned_until"]) < cut
        assert moment(now["learned_until"]) == newest
        assert now["config"] == judged["config"]
        assert now["facts"].get("epochs") == judged["facts"].get("epochs")
        measured = told(space, name, "metrics.json"), told(space, "final", name, "metrics.json")
        assert measured[1].get("epochs") == measured[0].get("epochs")
        card = (space.artifacts / "final" / name / "MODEL_CARD.md").read_text()
        assert f"fit final, newest rating {newest:%Y-%m-%d}" in card


def test_its_counts_are_those_of_all_ratings(final: tuple[Workspace, list[str], str]) -> None:
    """And those of the evaluation of all but the newest tenth: ratings of each film, as the warehouse counts them."""
    space = final[0]
    counted = "select movie_id, count(*) from training.training_labels where {} group by movie_id"
    for folder, where in ((space.artifacts, "split_time <> 'test'"), (space.artifacts / "final", "true")):
        counts = dict(asked(space, counted.format(where)))
        ids = pq.read_table(folder / "popularity" / "ids.parquet")["movie_id"].to_pylist()
        (scores,) = load_file(folder / "popularity" / "model.safetensors").values()
        assert scores.tolist() == [counts.get(film, 0) for film in ids]
        assert set(counts) <= set(ids)


def test_no_samples_event_was_seen_by_the_recall_that_scored_it(final: tuple[Workspace, list[str], str]) -> None:
    """Both windows are there, each strictly after the newest rating that the channels which brought it had learned."""
    space = final[0]
    groups = 0
    for folder, channels, split in (
        (space.samples / "time", space.samples / "channels", "validation"),
        (space.samples / "final", space.artifacts, "test"),
    ):
        shards = [pq.read_table(shard / "users.parquet") for shard in sorted(folder.glob("shard-*"))]
        events = np.concatenate([shard["event_timestamp"].to_numpy() for shard in shards]).astype("datetime64[us]")
        groups += len(events)
        learned = [
            moment(json.loads((channels / name / "config.json").read_text())["learned_until"]) for name in CHANNELS
        ]
        assert max(np.datetime64(until, "us") for until in learned) < events.min()
        sql = "select min(event_timestamp), max(event_timestamp) from training.training_labels where split_time = "
        ((first, last),) = asked(space, f"{sql}'{split}'")
        assert np.datetime64(first, "us") <= events.min()
        assert events.max() <= np.datetime64(last, "us")
    assert told(space, "final", RANKER, "metrics.json")["groups"] == groups
    assert told(space, RANKER, "metrics.json")["groups"] < groups


def test_every_step_and_every_epoch_is_told_in_files(final: tuple[Workspace, list[str], str]) -> None:
    _, lines, beside = final
    assert [line.split(" (")[0] for line in lines] == [
        *(f"{n} of 7: trained {name}" for n, name in enumerate(CHANNELS, 1)),
        lines[5].split(" (")[0],
        f"7 of 7: trained {RANKER}",
    ]
    assert re.match(r"6 of 7: samples of two windows, \d+ groups, \d+ of them of the newest tenth \(", lines[5])
    for name in ("two_tower", "sequence", RANKER):
        epochs = re.findall(rf"^{name}: epoch (\d+) of (\d+): loss \d+\.\d+, .* batches/s, .* left$", beside, re.M)
        assert [int(n) for n, _ in epochs] == list(range(1, int(epochs[0][1]) + 1))


def test_the_final_models_are_served_once_they_are_there(
    final: tuple[Workspace, list[str], str], tmp_path: Path
) -> None:
    """A running server takes them, and answers say so."""
    space = Workspace(copy_of(final[0].root, tmp_path / "workspace"))
    link = space.artifacts / "final"
    shown = link.readlink()
    link.unlink()
    user = asked(space, "select user_id from training.training_labels limit 1")[0][0]
    with served(space.root) as client:

        def version() -> str:
            return str(state(client)["models_version"])

        assert version() == served_models(space.artifacts).version
        assert version().startswith("evaluation-")
        link.symlink_to(shown)
        wait_for(lambda: version().startswith("final-"), "the final models are served")
        assert version() == served_models(space.artifacts).version
        answer = client.get(f"/v1/users/{user}/recommendations", params={"explain": True}).json()
        assert answer["versions"]["models"] == version()
        assert answer["strategy"] == "two_stage"


def test_evaluation_neither_sees_nor_takes_them(
    final: tuple[Workspace, list[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the doctor count them as models that the metrics are older than."""
    from models.evaluation.evaluate import evaluate
    from models.evaluation.rankers import rankers

    space = Workspace(copy_of(final[0].root, tmp_path / "workspace"))
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(space.root))
    monkeypatch.delenv("REDIS_CONNECTION_STRING", raising=False)
    assert reports_check(space).status == "ok"
    shutil.rmtree((space.artifacts / "item_cf").resolve())
    (space.artifacts / "item_cf").unlink()
    (space.artifacts / "item_cf").symlink_to(space.artifacts / "final" / "item_cf")
    for command in (lambda: evaluate(["time-streaming"]), lambda: rankers([RANKER], [0], save=False)):
        with pytest.raises(CineFeastError, match=r"item_cf in .* learned the test window .*; next: cinefeast train$"):
            command()


def test_the_doctor_says_which_are_served_and_what_they_learned(
    final: tuple[Workspace, list[str], str], demo: Demo
) -> None:
    space = final[0]
    ((newest,),) = asked(space, "select max(event_timestamp) from training.training_labels")
    found = learned_check(space)
    days = (datetime.now(UTC).replace(tzinfo=None) - newest).days
    assert found.status == "ok"
    assert f"is of {newest:%Y-%m-%d %H:%M:%S} UTC, {days:,} days ago; the final models are served" in found.detail
    before = learned_check(Workspace(demo.root)).detail
    assert "the models of the evaluation are served" in before
    assert "cinefeast train --final" in before
    assert f"{newest:%Y-%m-%d %H:%M:%S}" not in before


def test_only_a_whole_set_of_the_same_choices_is_served(
    final: tuple[Workspace, list[str], str], tmp_path: Path
) -> None:
    space = Workspace(copy_of(final[0].root, tmp_path / "workspace"))
    assert served_models(space.artifacts).fit == "final"
    (space.artifacts / "final" / "item_cf" / "model.safetensors").write_bytes(b"")
    assert artifacts_check(space, None, read_warehouse(space)).status == "ok", "weights are looked at when they load"
    aside = tmp_path / "aside"
    shown = (space.artifacts / "final" / "two_tower").resolve()
    shown.rename(aside)
    assert served_models(space.artifacts).fit == "evaluation"
    aside.rename(shown)
    forget_final(space)
    assert served_models(space.artifacts).fit == "final"
    config = space.artifacts / "sequence" / "config.json"
    config.write_text(config.read_text().replace('"seed": 0', '"seed": 1', 1))
    found = served_models(space.artifacts)
    assert (found.fit, found.folder) == ("evaluation", space.artifacts)
    assert found.version.startswith("evaluation-")
    forget_final(space)
    assert not [path for path in space.artifacts.iterdir() if "final" in path.name], "nothing would serve it again"
    assert not (space.samples / "final").exists()


def test_what_is_not_one_set_is_refused(demo: Demo, tmp_path: Path) -> None:
    for more in (["two_tower"], ["--protocol", "leave-one-out"]):
        ran = run(demo.root, "cinefeast", "train", "--final", *more, check=False)
        assert ran.returncode == 1
        assert ran.stderr.splitlines() == [
            "error: --final fits all that is served, which is one set of the split by time; "
            "next: cinefeast train --final"
        ]
    root = copy_of(demo.root, tmp_path / "workspace", "artifacts")
    ran = run(root, "cinefeast", "train", "--final", check=False, REDIS_CONNECTION_STRING="")
    assert (ran.returncode, ran.stderr.splitlines()[-1].split("; next: ")[-1]) == (1, "cinefeast train")


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_ended_half_way_it_leaves_what_was_served(
    how: signal.Signals, final: tuple[Workspace, list[str], str], tmp_path: Path
) -> None:
    """Ended in the second epoch of a network. Ctrl+C says what is kept; run again it goes on after that epoch."""
    space = Workspace(copy_of(final[0].root, tmp_path / "workspace"))
    output, errors = tmp_path / "output", tmp_path / "errors"
    command = ("cinefeast", "train", "--final")
    for _ in range(5):  # on a machine that stands still for seconds it may be over before the signal comes
        errors.write_text("")
        before = files_of(space.artifacts), served_models(space.artifacts).version
        process = start(environment_of(space.root, REDIS_CONNECTION_STRING=""), *command, output=output, errors=errors)
        assert process.pid
        wait_for(lambda: "sequence: epoch 1 of" in errors.read_text(), "an epoch ends", every=0.01)
        os.kill(process.pid, how)
        process.join()
        if process.exitcode:
            break
    left = {name: told for name, told in files_of(space.artifacts).items() if not name.startswith(".training")}
    assert left == {name: told for name, told in before[0].items() if not name.startswith(".training")}
    assert served_models(space.artifacts).version == before[1]
    assert (space.runs / "time" / "sequence" / "test" / "checkpoint.pt").exists()
    if how == signal.SIGINT:
        assert process.exitcode == 130
        assert errors.read_text().splitlines()[-1] == (
            "stopped: the models are those of before; kept are the samples that are done and the last epoch of a "
            "network: the same command goes on there"
        )
        assert not list(space.artifacts.glob(".training-*"))
        return
    errors.unlink()
    process = start(environment_of(space.root, REDIS_CONNECTION_STRING=""), *command, output=output, errors=errors)
    process.join()
    assert process.exitcode == 0, errors.read_text()
    assert "sequence: epoch 1 of" not in errors.read_text()
    assert served_models(space.artifacts).version == before[1], "the same weights as without an interruption"
    assert not list(space.artifacts.glob(".training-*")), "what the killed run left is gone"
    assert checksum(space.artifacts / "final" / "sequence" / "model.safetensors")


def test_a_film_of_an_hour_ago_that_ten_people_liked_is_recommended(
    final: tuple[Workspace, list[str], str], demo: Demo, tmp_path: Path
) -> None:
    """By a server that runs all the time: `cinefeast refresh` brings the film into the lists."""
    root, film = copy_of(final[0].root, tmp_path / "workspace"), 900_001
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    liked, _ = Counter(movie for _, movie, *_ in demo.data.ratings).most_common(1)[0]
    raters = sorted({user for user, movie, *_ in demo.data.ratings if movie == liked})
    ten, others = raters[:10], raters[10:20]
    rated = {"kind": "rating", "movie_id": film, "rating": 5.0, "occurred_at": hour_ago.isoformat()}
    events = [rated | {"event_id": f"hour-{user}", "user_id": user} for user in ten]
    with served(root, **KEYS) as client:

        def shown(user: int) -> bool:
            answer = client.get(f"/v1/users/{user}/recommendations", params={"n": 100}).json()
            return film in [item["movie_id"] for item in answer["items"]]

        told = {"title": "Of An Hour Ago", "release_year": 2026, "genre_names": ["Drama"]}
        assert client.put(f"/v1/films/{film}", json=told, headers=ADMIN).status_code == 200
        sent = client.post("/v1/events/bulk", json={"events": events}, headers=WRITER)
        assert sent.json()["accepted"] == len(ten)
        dbt_build(root, *UNTESTED)
        materialize(root)
        assert not any(map(shown, others))
        ran = run(root, "cinefeast", "refresh", REDIS_CONNECTION_STRING="")
        wait_for(lambda: any(map(shown, others)), "the film is recommended")
        assert not any(map(shown, ten)), "they have seen it"
    assert "5 of 5" in ran.stdout
    now = learned_check(Workspace(root)).detail
    assert "films and counts are refreshed up to one of 0 days ago" in now


def test_models_of_the_evaluation_are_not_refreshed(demo: Demo, tmp_path: Path) -> None:
    root = copy_of(demo.root, tmp_path / "workspace", *TRAINED)
    ran = run(root, "cinefeast", "refresh", check=False)
    assert ran.returncode == 1
    assert "error: no final models are served, so nothing can be refreshed; next: cinefeast train --final" in ran.stderr
