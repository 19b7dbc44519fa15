"""The final fit on the planted world: it is what fitting by hand on all ratings gives, and knows the newest film."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.dataset import Dataset
from models.rank.samples.samples import Samples, make_samples
from models.recall.merging import Merging
from models.registry import model_class
from tests.models.conftest import SMALL, untrained
from tests.models.synthetic import PER_GROUP, PlantedStore, group_of, planted
from tests.models.test_rankers import config_of


def with_a_rating_after_all(ratings: pd.DataFrame) -> Any:
    """A store where all ratings are before the test window, which begins a microsecond after them."""
    last = ratings.iloc[0:1].assign(event_timestamp=ratings["event_timestamp"].max() + pd.Timedelta(microseconds=1))
    store: Any = PlantedStore(pd.concat([ratings, last], ignore_index=True))
    split = f"case when rating_id < {len(ratings)} then 'validation' else 'test' end"
    store.database.execute(f"update training.training_labels set split_time = {split}")
    return store


@pytest.mark.parametrize("kind", list(SMALL))
def test_the_final_fit_is_a_fit_by_hand_on_all_ratings(
    kind: str, channels: dict[str, Any], data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the published epochs: where all ratings come before the cut-off, what is fitted until then is the same.

    Both read films as of the cut-off: this world counts the ratings of 90 days from the moment that is asked for.
    """
    monkeypatch.setattr(Dataset, "read_at", Dataset.cut_off)
    judged = channels[kind]
    final = judged.refit(data, "test")
    by_hand = untrained(kind, **SMALL[kind])
    by_hand.epochs = getattr(judged, "epochs", None)
    by_hand.fit(Dataset(with_a_rating_after_all(planted())), "validation")
    found, expected = final.tensors(), by_hand.tensors()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert np.array_equal(found[name], tensor), name
    assert final.films.values.tolist() == by_hand.films.values.tolist()
    assert getattr(final, "epochs", None) == getattr(judged, "epochs", None)
    assert (final.provenance["fit"], judged.provenance["fit"]) == ("final", "evaluation")
    newest = {fit: planted()["event_timestamp"].sort_values().iloc[: round(part * 2700)].max() for fit, part in
              (("final", 1.0), ("evaluation", 0.8))}  # fmt: skip
    for model in (final, judged):
        learned = pd.Timestamp(model.provenance["learned_until"]).tz_localize(None)
        assert learned == newest[model.provenance["fit"]]


def with_a_newest_film() -> tuple[pd.DataFrame, int]:
    """Ratings of 300 users, but that some users of one group watch a film that was not there before the newest tenth.

    It stands in for the second late film of each of them, and for it, where it was watched before, another.
    """
    ratings = planted(users=300).sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    late = ratings.index >= round(0.9 * len(ratings))
    group = int(ratings["movie_id"].map(group_of)[late].mode()[0])
    newest = 1000 + PER_GROUP * group
    ratings.loc[ratings["movie_id"] == newest, "movie_id"] = newest + 1
    of_group = late & (ratings["movie_id"].map(group_of) == group)
    second = ratings[of_group].groupby("user_id").nth(1).index
    ratings.loc[second, "movie_id"] = newest
    assert len(second) > 3
    return ratings, newest


def test_only_the_final_fit_knows_the_newest_film() -> None:
    """Somebody who watches films of its group, and not this one, is told of it by the final model alone."""
    ratings, newest = with_a_newest_film()
    data = Dataset(PlantedStore(ratings))  # type: ignore[arg-type]
    judged = untrained("item_cf")
    judged.fit(data, "validation")
    final = judged.refit(data, "test")
    of_group = ratings[ratings["movie_id"].map(group_of) == group_of(newest)]
    user = (set(of_group["user_id"]) - set(ratings["user_id"][ratings["movie_id"] == newest])).pop()
    frame = pd.DataFrame({"user_id": [user], "event_timestamp": [pd.Timestamp("2022-01-01")]})
    users, seen = data.users([final.config.service], frame), data.seen(frame)
    assert newest in final.recommend(users, 30, seen)[0]
    assert newest not in judged.recommend(users, 180, seen)[0]


@pytest.fixture(scope="module")
def windows(
    channels: dict[str, Any], data: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Samples, Samples]:
    """Samples of the validation window by channels of the train split, of the test window by refitted ones."""
    root, config = tmp_path_factory.mktemp("windows"), config_of("unified")
    two = {name: channels[name] for name in ("popularity", "item_cf")}
    merging = Merging.even(list(two))
    later = {name: channel.refit(data, "validation") for name, channel in two.items()}
    return (
        make_samples(data, two, merging, config, root / "time"),
        make_samples(data, later, merging, config, root / "final", "test"),
    )


@pytest.mark.parametrize("name", ["unified", "lambdamart", "logistic"])
def test_a_final_ranker_holds_nothing_back_and_takes_the_length_that_was_best(
    name: str, windows: tuple[Samples, Samples], data: Dataset
) -> None:
    """It ends after as many epochs, and its curve is that of the judged ranker's scores of what that has not seen."""
    before, newest = windows
    kind: Any = model_class(name)
    judged = kind(config_of(name))
    judged.fit(data, before, ["popularity", "item_cf"], "validation")
    final = judged.refit(data, newest, newest)
    assert final.metrics["groups"] == newest.groups
    assert final.metrics.get(kind.PASSES) == judged.metrics.get(kind.PASSES)
    if name == "lambdamart":
        assert final.booster.num_trees() == judged.metrics["trees"]
    by_hand = kind(judged.config)
    by_hand.calibration.fit(judged.score(newest.pairs), newest.label.ravel())
    assert np.array_equal(final.calibration.shares, by_hand.calibration.shares)
    films = np.unique(newest.pairs.films["movie_id"].to_numpy())
    assert final.films.values.tolist() == films.tolist()
    assert final.provenance["fit"] == "final"


def test_samples_are_never_of_a_window_that_recall_has_learned(
    channels: dict[str, Any], data: Dataset, tmp_path: Path
) -> None:
    two = {name: channels[name].refit(data, "validation") for name in ("popularity", "item_cf")}
    with pytest.raises(ValueError, match="popularity, item_cf learned the validation window"):
        make_samples(data, two, Merging.even(list(two)), config_of("unified"), tmp_path / "time")
    assert not (tmp_path / "time").exists()
