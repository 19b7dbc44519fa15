"""What every recall channel promises, as tests: a channel's test is its name and what is its own.

class TestItemCF(RecallContract):
    kind = "item_cf"
"""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from models.dataset import Dataset, half
from tests.models.conftest import untrained
from tests.models.synthetic import GROUPS, PER_GROUP, PlantedStore, group_of, other_future, planted

CATALOGUE = np.arange(1000, 1000 + GROUPS * PER_GROUP)
FEATURES = ("recall_two_tower_v1", "recall_history_v1")  # their user halves hold what every channel reads
LISTS = {
    "user_recent_movie_ids": 999_999, "user_recent_ratings": 4.0, "user_recent_timestamps": 1_500_000_000,
    "user_seen_movie_ids": 999_999, "user_seen_ratings": 4.0, "user_seen_timestamps": 1_500_000_000,
}  # fmt: skip
"""The lists of a user's past, which are of one length, and an event of a film that is gone."""


class Asked(NamedTuple):
    """Validation events of users with a past."""

    users: pa.Table
    seen: list[np.ndarray]
    films: np.ndarray
    """The film of each event."""


def ask(data: Dataset) -> Asked:
    """User features as of each validation event, films seen before it, its film; users with three films or more."""
    events = data.interactions("validation").to_pandas()
    frame = events[["user_id", "event_timestamp"]]
    features = list(dict.fromkeys(name for service in FEATURES for name in half(data.store, service, "user_")))
    seen = data.seen(frame)
    warm = np.array([len(films) >= 3 for films in seen])
    return Asked(
        data.features(features, frame).filter(pa.array(warm)),
        [seen[i] for i in np.flatnonzero(warm)],
        events["movie_id"].to_numpy()[warm],
    )


def nulls(users: pa.Table, typed: bool) -> pa.Table:
    """One user of whom nothing is known: nulls as history types them, or of no type as an online store answers."""
    return pa.table({
        name: pa.nulls(1, users.schema.field(name).type) if typed else pa.nulls(1) for name in users.column_names
    })  # fmt: skip


def with_value(users: pa.Table, name: str, value: Any) -> pa.Table:
    """The one user with another value of a feature."""
    return users.set_column(users.column_names.index(name), name, pa.array([value]))


class RecallContract:
    """The tests. Subclasses name the channel; fixtures `data` and `store` are the planted world's."""

    kind: ClassVar[str]
    """The channel's name in the registry."""
    small: ClassVar[dict[str, Any]] = {}
    """Settings in place of the published ones, so that training is short."""
    is_personal: ClassVar[bool] = True
    """Whether it finds a user's group, and names nothing to someone of whom nothing is known."""

    @pytest.fixture(scope="class")
    @classmethod
    def channel(cls, data: Dataset) -> Any:
        channel = untrained(cls.kind, **cls.small)
        channel.fit(data, "train")
        return channel

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, data: Dataset) -> Asked:
        return ask(data)

    def test_finds_the_planted_group(self, channel: Any, asked: Asked) -> None:
        """A user's group has 30 films, so 30 places hold every answer; what knows no user spreads them over 180."""
        ids, _ = channel.recommend(asked.users, 30, asked.seen)
        hit_rate = (ids == asked.films[:, None]).any(axis=1).mean()
        if not self.is_personal:
            assert hit_rate < 0.35
            return
        assert hit_rate > 0.85
        group = [group_of(int(films[-1])) for films in asked.seen]
        first = ids[:, :3]
        assert np.mean([[group_of(int(f)) == g for f in row] for row, g in zip(first, group, strict=True)]) > 0.9

    def test_never_an_excluded_film_and_padded_to_k(self, channel: Any, asked: Asked) -> None:
        """Also with k above the catalogue."""
        ids, scores = channel.recommend(asked.users, 500, asked.seen)
        assert ids.shape == scores.shape == (asked.users.num_rows, 500)
        assert ids.dtype == np.int64
        assert scores.dtype == np.float32
        assert ((ids == -1) == np.isneginf(scores)).all()
        for row, films, values in zip(ids, asked.seen, scores, strict=True):
            found = row[row >= 0]
            assert len(set(found)) == len(found)
            assert set(found) <= set(CATALOGUE)
            assert not set(found) & set(films)
            assert (np.diff(values[: len(found)]) <= 0).all()
            assert (row[len(found) :] == -1).all()

    def test_a_longer_list_starts_like_a_shorter_one(self, channel: Any, asked: Asked) -> None:
        long, short = (channel.recommend(asked.users, k, asked.seen)[0] for k in (40, 7))
        assert np.array_equal(long[:, :7], short)

    def test_a_user_is_answered_alike_in_any_company(self, channel: Any, asked: Asked) -> None:
        """A table longer than the slices that a channel works in; near ties may differ by rounding."""
        many = pa.concat_tables([asked.users] * (2500 // asked.users.num_rows + 1))
        ids, scores = channel.recommend(many, 5)
        at = many.num_rows - 1
        alone, alone_scores = channel.recommend(many.slice(at, 1), 5)
        assert np.allclose(scores[at], alone_scores[0], rtol=1e-4)
        assert len(set(ids[at]) & set(alone[0])) >= 4

    def test_everything_seen_leaves_nothing(self, channel: Any, asked: Asked) -> None:
        ids, scores = channel.recommend(asked.users.slice(0, 1), 10, [CATALOGUE])
        assert (ids == -1).all()
        assert np.isneginf(scores).all()

    def test_one_film_left_is_the_only_answer(self, channel: Any, asked: Asked) -> None:
        film = channel.recommend(asked.users.slice(0, 1), 1)[0][0, 0]
        ids, _ = channel.recommend(asked.users.slice(0, 1), 3, [CATALOGUE[film != CATALOGUE]])
        assert ids.tolist() == [[film, -1, -1]]

    def test_an_unknown_user_and_an_empty_history(self, channel: Any, asked: Asked) -> None:
        empty = asked.users.slice(0, 1)
        for name in LISTS:
            if name not in empty.column_names:
                continue
            kind = asked.users.schema.field(name).type
            empty = empty.set_column(empty.column_names.index(name), name, pa.array([[]], kind))
        strangers = [nulls(asked.users, typed=True), nulls(asked.users, typed=False)]
        for table in [*strangers, *([empty] if self.is_personal else [])]:
            ids, scores = channel.recommend(table, 5)
            assert ((ids == -1) == self.is_personal).all()
            assert (np.isneginf(scores) == self.is_personal).all()

    def test_films_and_users_unknown_to_training_do_no_harm(self, channel: Any, asked: Asked) -> None:
        """A film that is gone in the history and among the excluded, not-a-number features, a null list, no user."""
        user = asked.users.slice(0, 1)
        for name, first in LISTS.items():
            if name in user.column_names:
                user = with_value(user, name, [first, *user[name][0].as_py()])
        user = with_value(with_value(user, "user_mean_rating", float("nan")), "user_genre_share", None)
        user = with_value(user, "user_id", 999_999)
        ids, scores = channel.recommend(user, 5, [np.array([999_999, -1])])
        assert (ids >= 0).all()
        assert np.isfinite(scores).all()
        assert channel.recommend(user.slice(0, 0), 5, [])[0].shape == (0, 5)

    def test_only_films_gone_are_an_empty_history(self, channel: Any, asked: Asked) -> None:
        user = nulls(asked.users, typed=True)
        for name, only in LISTS.items():
            if name in user.column_names:
                user = with_value(user, name, [only])
        assert ((channel.recommend(user, 5)[0] == -1) == self.is_personal).all()

    def test_a_round_trip_changes_no_answer(self, channel: Any, asked: Asked, store: Any, tmp_path: Path) -> None:
        channel.save(tmp_path / self.kind)
        loaded = type(channel).load(tmp_path / self.kind, store)
        for before, after in zip(
            channel.recommend(asked.users, 40, asked.seen), loaded.recommend(asked.users, 40, asked.seen), strict=True
        ):
            assert np.array_equal(before, after)
        assert loaded.config == channel.config
        assert loaded.provenance == channel.provenance
        assert loaded.metrics == channel.metrics

    def test_one_alone_is_answered_as_among_others(
        self, channel: Any, asked: Asked, store: Any, tmp_path: Path
    ) -> None:
        """Serving asks for one user of a loaded model, which may have another way for that."""
        channel.save(tmp_path / self.kind)
        loaded = type(channel).load(tmp_path / self.kind, store)
        together = channel.recommend(asked.users, 40, asked.seen)[1]
        for i in range(0, len(asked.seen), 7):
            alone = loaded.recommend(asked.users.slice(i, 1), 40, [asked.seen[i]])[1][0]
            assert np.allclose(alone, together[i], rtol=1e-4, atol=1e-5)

    def test_the_future_changes_no_weight(self) -> None:
        """What comes after the cut-off cannot change a model trained before it."""
        ratings = planted(users=60)
        before, after = (self._tensors(Dataset(PlantedStore(r))) for r in (ratings, other_future(ratings)))  # type: ignore[arg-type]
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            assert np.array_equal(tensor, after[name]), name

    def _tensors(self, data: Dataset) -> dict[str, np.ndarray]:
        channel = untrained(self.kind, **self.small)
        channel.epochs = 2  # for channels trained in epochs
        channel.fit(data, "validation")
        tensors: dict[str, np.ndarray] = channel.tensors()
        return tensors
