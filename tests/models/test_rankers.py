"""Rankers on the planted world: samples in shards, every model learned, saved, loaded and exported; bad input."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from dbt_project.errors import CineFeastError
from models import onnx
from models.columns import arrays, integers
from models.dataset import Dataset
from models.rank.networks import network
from models.rank.networks.onnx import PAIRS, export_ranker
from models.rank.networks.parts import GAPS, doublings
from models.rank.registry import RANK
from models.rank.samples.maker import Maker, Recipe, place, prepare
from models.rank.samples.negatives import KINDS, Drawer, PositiveEvent
from models.rank.samples.pairs import PreparedFilms, make_pairs
from models.rank.samples.samples import Samples, make_samples
from models.rank.samples.shards import build
from models.recall.merging import Merging
from models.registry import model_class
from models.two_stage import TwoStage
from tests.models.synthetic import PlantedStore, group_of, other_future, planted

SMALL = {"events": 400, "shard": 60, "pool": 6, "popular": 1, "genre": 1, "uniform": 1}
NETWORK = {"epochs": 4, "batch": 16, "learning_rate": 0.01, "dropout": 0.0}
SHORT: dict[str, dict[str, Any]] = {
    "unified": {**NETWORK, "epochs": 8}, "dcn": NETWORK, "deepfm": NETWORK,
    "lambdamart": {"trees": 20, "least": 5}, "logistic": {},
}  # fmt: skip


def config_of(name: str, **samples: Any) -> Any:
    config = model_class(name).Config.read(name)
    shared = config.samples.model_copy(update={**SMALL, **samples})
    return config.model_copy(update={**SHORT[name], "samples": shared})


@pytest.fixture(scope="module")
def two(channels: dict[str, Any]) -> dict[str, Any]:
    return {name: channels[name] for name in ("popularity", "item_cf")}


@pytest.fixture(scope="module")
def recipe(two: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("samples") / "time"
    return Recipe(two, Merging.even(list(two)), config_of("unified"), "validation", folder)


@pytest.fixture(scope="module")
def samples(data: Dataset, recipe: Recipe) -> Samples:
    return make_samples(data, recipe.channels, recipe.merging, recipe.config, recipe.folder)


@pytest.fixture(scope="module")
def rankers(data: Dataset, samples: Samples, two: dict[str, Any]) -> dict[str, Any]:
    """Every ranker, fitted on the same samples."""
    fitted = {}
    for name in RANK:
        kind: Any = model_class(name)
        fitted[name] = kind(config_of(name))
        fitted[name].fit(data, samples, list(two), "validation")
    return fitted


def test_a_group_is_a_film_rated_and_what_the_user_might_have_watched(samples: Samples, data: Dataset) -> None:
    """Every positive is an event of the validation window; no negative was rated before it or stands twice."""
    pairs = samples.pairs
    assert samples.size == 10
    assert len(pairs) == 10 * samples.groups
    events = data.interactions("validation").to_pandas()
    rated = set(zip(events["user_id"], events["movie_id"], events["event_timestamp"], strict=True))
    users, films = pairs.users.take(pa.array(pairs.user)), pairs.films.take(pa.array(pairs.film))
    moments = users["event_timestamp"].to_pandas()
    assert moments.equals(films["event_timestamp"].to_pandas())  # features of a film are as of the event, too
    asked = list(zip(integers(users, "user_id"), integers(films, "movie_id"), moments, strict=True))
    assert set(asked[::10]) <= rated
    seen = arrays(users, "user_seen_movie_ids")
    for start in range(0, len(asked), 10):
        group = [film for _, film, _ in asked[start : start + 10]]
        assert len(set(group)) == 10
        assert not set(group) & set(seen[start].tolist())
    wanted = [getattr(config_of("unified").samples, kind) for kind in KINDS[1:]]
    shares = np.bincount(samples.kind, minlength=len(KINDS))[1:] / samples.groups
    assert (np.abs(shares - wanted) < 1.0).all()
    assert samples.pairs.recall[:: samples.size, 0].min() > 0  # recall brought every positive


def test_negatives_are_of_the_kinds_configured(data: Dataset) -> None:
    films = data.catalogue("rank_unified_v1", "train")
    counts = np.where(integers(films, "movie_id") < 1010, 1000, 0)
    own = {"pool": 0, "popular": 0, "genre": 0, "uniform": 0, "low": 0}
    rng = np.random.default_rng(0)
    event = PositiveEvent(1005, np.arange(1040, 1100), np.array([1000, 1001, 1002]), np.array([1001, 1002]))

    def drawn(**mix: int) -> tuple[list[int], list[int]]:
        settings = config_of("unified", **{**own, **mix}).samples
        ids, kinds = Drawer(films, counts, settings).draw(event, rng)
        assert ids[0] == 1005
        assert 1005 not in ids[1:]
        return ids[1:].tolist(), kinds[1:].tolist()

    ids, kinds = drawn(popular=4)
    assert all(1003 <= film < 1010 for film, kind in zip(ids, kinds, strict=True) if kind == KINDS.index("popular"))
    ids, _ = drawn(genre=8)
    assert {group_of(film) for film in ids} == {0}
    ids, kinds = drawn(low=4)  # there are two: the pool stands in
    assert set(ids[:2]) == {1001, 1002}
    assert all(film >= 1040 for film in ids[2:])
    assert kinds == [5, 5, 1, 1]
    ids, _ = drawn(pool=9)
    assert all(1040 <= film < 1100 for film in ids)
    assert len(set(ids)) == 9
    short = PositiveEvent(1005, np.array([1050]), event.seen, event.low[:0])
    found, _ = Drawer(films, counts, config_of("unified", **{**own, "pool": 9}).samples).draw(short, rng)
    assert found.tolist() == [1005, 1050, *[-1] * 8]


def test_shards_that_are_there_are_kept_and_missing_ones_made_again(
    data: Dataset, recipe: Recipe, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed goes on, and ends with the same samples; other settings begin anew."""
    made: list[int] = []
    make = Maker.make
    monkeypatch.setattr(Maker, "make", lambda self, shards: made.extend(shards) or make(self, shards))
    shutil.rmtree(place(recipe.folder, 1))
    (recipe.folder / ".shard-00001-7" / "users.parquet").mkdir(parents=True)  # what a killed process leaves
    again = make_samples(data, recipe.channels, recipe.merging, recipe.config, recipe.folder)
    assert made == [1]
    assert again.pairs.users.equals(samples.pairs.users)
    assert np.array_equal(again.pairs.film, samples.pairs.film)
    assert np.array_equal(again.pairs.recall, samples.pairs.recall)
    other = replace(recipe, config=config_of("unified", uniform=2))
    made.clear()
    assert len(build(prepare(data, other))) == len(made) > 1
    build(prepare(data, recipe))


def test_every_ranker_learns_the_planted_group(rankers: dict[str, Any]) -> None:
    for name, ranker in rankers.items():
        assert ranker.metrics["validation_gauc"] > 0.55, name


def test_trees_are_not_stopped_by_equal_scores(data: Dataset, samples: Samples, two: dict[str, Any]) -> None:
    """The positive stands first in its group: read in that order a constant would have the best NDCG there is."""
    blind = replace(samples, pairs=replace(samples.pairs, recall=np.zeros_like(samples.pairs.recall)))
    kind: Any = model_class("lambdamart")
    ranker = kind(config_of("lambdamart").model_copy(update={"learning_rate": 0.01}))
    ranker.fit(data, blind, list(two), "validation")
    assert ranker.metrics["trees"] > 1


def test_a_saved_ranker_scores_alike(rankers: dict[str, Any], samples: Samples, store: Any, tmp_path: Path) -> None:
    pairs = samples.part(0, 20).pairs
    for name, ranker in rankers.items():
        ranker.save(tmp_path / name)
        loaded: Any = model_class(name).load(tmp_path / name, store)
        found = loaded.score(pairs)
        assert found.dtype == np.float32
        assert np.allclose(found, ranker.score(pairs), atol=1e-5), name
        assert np.array_equal(loaded.calibration(found), ranker.calibration(found))


@pytest.mark.parametrize("name", ["unified", "dcn", "deepfm"])
def test_the_exported_network_is_the_network(
    name: str, rankers: dict[str, Any], samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 1e-5 apart for each user, as among others and alone, with and without what is unknown; in slices, too."""
    ranker = rankers[name]
    export_ranker(ranker.network, ranker.config.inputs.window, tmp_path / onnx.FILE)
    session = onnx.Session(tmp_path / onnx.FILE)
    batch = ranker.encoder(samples.pairs)
    among_others = ranker.by_torch(batch)
    gone = ("words", "genres", "people", "candidate", "films", "ratings")
    for user in range(0, len(batch.films), 5):
        rows = np.flatnonzero(batch.user == user)
        alone = batch.take(rows)
        unknown = alone._replace(
            numbers=np.full_like(alone.numbers, np.nan), **{part: np.zeros_like(getattr(alone, part)) for part in gone}
        )  # fmt: skip
        none = alone._replace(**{part: getattr(alone, part)[:0] for part in (*PAIRS, "user")})
        assert np.abs(session(alone._asdict()) - among_others[rows]).max() <= 1e-5
        for given in (alone, unknown, alone.take(np.array([0])), none):
            torch_says = ranker.by_torch(given)
            assert np.isfinite(torch_says).all()
            assert np.abs(session(given._asdict()) - torch_says).max(initial=0) <= 1e-5
    monkeypatch.setattr(network, "SLICE", 4)
    monkeypatch.setattr(ranker, "session", session)
    assert np.abs(ranker.outputs(batch) - among_others).max() <= 1e-5
    assert np.abs(ranker.outputs(alone) - among_others[rows]).max() <= 1e-5


def test_exported_steps_of_time_are_exact(tmp_path: Path) -> None:
    """On both sides of every power of two, where rounding would put a gap into the step beside."""
    seconds = np.concatenate([2 ** np.arange(34) - 1, 2 ** np.arange(1, 34) - 2])
    axes = {"seconds": {0: "n"}, "out": {0: "n"}}
    onnx.export(nn.Identity(), doublings, {"seconds": torch.zeros(3, dtype=torch.long)}, tmp_path / "steps.onnx", axes)
    expected = [min(int(value + 1).bit_length() - 1, GAPS - 1) for value in seconds]
    assert doublings(torch.from_numpy(seconds)).tolist() == expected
    assert onnx.Session(tmp_path / "steps.onnx")({"seconds": seconds}).tolist() == expected


def test_two_stages_rank_what_recall_brings(rankers: dict[str, Any], two: dict[str, Any], data: Dataset) -> None:
    """A film without features is left out, and so is what a user has seen; the user's group comes first."""
    frame = data.interactions("test").select(["user_id", "event_timestamp"]).to_pandas()
    frame = frame.drop_duplicates("user_id", keep="last")
    frame = frame[[len(films) >= 5 for films in data.seen(frame)]]
    users = data.users(["rank_unified_v1", "recall_item_cf_v1"], frame)
    catalogue = data.catalogue("rank_unified_v1", "validation")
    models = TwoStage(two, rankers["unified"], Merging.even(list(two)))
    seen = arrays(users, "user_seen_movie_ids")
    found = models.recall(users, seen)
    rows, scores = models.scored(users, catalogue, found)
    assert np.array_equal(integers(catalogue, "movie_id")[rows[rows >= 0]], found.ids[rows >= 0])
    assert np.array_equal(np.isfinite(scores), found.ids >= 0)
    assert all(not set(ids) & set(films) for ids, films in zip(found.ids, seen, strict=True))
    best = np.take_along_axis(found.ids, np.argsort(-scores, axis=1, kind="stable")[:, :10], axis=1)
    right = [group_of(film) == user % 6 for films, user in zip(best, frame["user_id"], strict=True) for film in films]
    assert np.mean(right) > 0.8
    lacking = catalogue.filter(pa.array(np.arange(catalogue.num_rows) % 2 == 0))
    is_kept = np.isin(found.ids, integers(lacking, "movie_id"))
    assert np.array_equal(np.isfinite(models.scored(users, lacking, found)[1]), is_kept)


@pytest.fixture
def one(data: Dataset) -> tuple[pa.Table, pa.Table, PreparedFilms]:
    """A user with a past, some films, and the facts of all."""
    moment = data.interactions("test").select(["user_id", "event_timestamp"]).to_pandas().head(1)
    films = data.catalogue("rank_unified_v1", "validation")
    return data.users("rank_unified_v1", moment), films.slice(0, 40), PreparedFilms(films)


def scored(ranker: Any, users: pa.Table, films: pa.Table, facts: PreparedFilms) -> np.ndarray:
    film = np.arange(films.num_rows)
    recall = np.zeros((len(film), 1 + 2 * len(ranker.encoder.channels)), np.float32)
    return ranker.score(make_pairs(users, films, np.zeros(len(film), np.int64), film, recall, facts))


@pytest.mark.parametrize("name", list(RANK))
def test_what_is_not_known_gives_a_defined_score(
    name: str, rankers: dict[str, Any], one: tuple[pa.Table, pa.Table, PreparedFilms], data: Dataset
) -> None:
    """Null features of films and users, nothing crossed, an empty history, one film, unseen words, genres, people."""
    users, films, facts = one
    ranker = rankers[name]

    def nulls(table: pa.Table, keep: tuple[str, ...]) -> pa.Table:
        columns = {n: table[n] if n in keep else pa.nulls(table.num_rows, table[n].type) for n in table.column_names}
        return pa.table(columns)

    unseen = films
    for feature, value in {
        "movie_genres": [25, 40], "movie_director_ids": [10**9], "movie_cast_ids": [-(10**9)], "movie_language": "xx",
        "movie_countries": ["XX"],
    }.items():  # fmt: skip
        kind = films.schema.field(feature).type
        values = pa.array([value] * films.num_rows, kind)
        unseen = unseen.set_column(unseen.column_names.index(feature), feature, values)
    keys = ("user_id", "movie_id", "event_timestamp")
    nobody = nulls(users, keys)
    short = data.users("rank_unified_v1", first_rating(data))
    for changed in (
        (users, nulls(films, keys)), (nobody, films), (nobody, nulls(films, keys)), (short, films), (users, unseen),
    ):  # fmt: skip
        scores = scored(ranker, *changed, facts)
        assert scores.shape == (films.num_rows,)
        assert np.isfinite(scores).all()
    none_seen = PreparedFilms(films.slice(0, 0))
    assert np.isfinite(scored(ranker, users, films, none_seen)).all()  # films watched that have no features


def test_what_is_kept_of_a_catalogue_changes_no_score(
    rankers: dict[str, Any], one: tuple[pa.Table, pa.Table, PreparedFilms]
) -> None:
    """Films that are worked out once, with words as numbers, against films worked out for the one question."""
    users, films, _ = one
    facts = PreparedFilms(films, alone=True)
    film = np.arange(films.num_rows)[::-1]
    recall = np.zeros((len(film), 1 + 2 * len(rankers["unified"].encoder.channels)), np.float32)
    pairs = [
        make_pairs(users, films, np.zeros(len(film), np.int64), film, recall, *how)
        for how in ((PreparedFilms(films), None), (facts, facts.films))
    ]
    assert pairs[0].crossed.keys() == pairs[1].crossed.keys()
    for name, values in pairs[0].crossed.items():
        assert np.allclose(values, pairs[1].crossed[name], atol=1e-6, equal_nan=True), name
    for ranker in rankers.values():
        kept = ranker.encoder.of_films(films)
        assert np.allclose(ranker.score(pairs[1], kept), ranker.score(pairs[0]), atol=1e-5)


def first_rating(data: Dataset) -> Any:
    """A user at the moment of their second rating: a history of one film."""
    events = data.interactions().to_pandas().sort_values("event_timestamp")
    second = events[events.groupby("user_id").cumcount() == 1].head(1)
    return second[["user_id", "event_timestamp"]].reset_index(drop=True)


def test_an_unseen_word_is_as_an_unknown_one(
    rankers: dict[str, Any], one: tuple[pa.Table, pa.Table, PreparedFilms]
) -> None:
    users, films, facts = one
    encoder = rankers["unified"].encoder
    for value in ("xx", None):
        column = pa.array([value] * films.num_rows, pa.string())
        changed = films.set_column(films.column_names.index("movie_language"), "movie_language", column)
        film = np.arange(films.num_rows)
        recall = np.zeros((len(film), 1 + 2 * len(encoder.channels)), np.float32)
        batch = encoder(make_pairs(users, changed, np.zeros(len(film), np.int64), film, recall, facts))
        assert (batch.words[:, len(encoder.inputs.user_categories)] == 0).all()


def test_another_schema_is_refused(rankers: dict[str, Any], store: Any, tmp_path: Path) -> None:
    rankers["unified"].save(tmp_path / "unified")
    changed = PlantedStore(planted(users=10))
    changed.services["rank_unified_v1"]["movie_state"].pop("movie_std_rating")
    with pytest.raises(CineFeastError, match="trained on another rank_unified_v1: movie_std_rating is gone"):
        model_class("unified").load(tmp_path / "unified", changed)


def test_an_artifact_without_its_network_is_damaged(rankers: dict[str, Any], store: Any, tmp_path: Path) -> None:
    rankers["unified"].save(tmp_path / "unified")
    (tmp_path / "unified" / onnx.FILE).unlink()
    with pytest.raises(CineFeastError, match="damaged"):
        model_class("unified").load(tmp_path / "unified", store)


def test_a_rankers_future_is_not_seen(samples: Samples, two: dict[str, Any], recipe: Recipe, tmp_path: Path) -> None:
    """Samples of the validation window are the same whatever happens in the test window."""
    changed = Dataset(PlantedStore(other_future(planted())))
    again = make_samples(changed, two, recipe.merging, recipe.config, tmp_path / "time")
    for name, values in samples.pairs.crossed.items():
        assert np.array_equal(values, again.pairs.crossed[name], equal_nan=True), name
    assert np.array_equal(samples.rating, again.rating)
