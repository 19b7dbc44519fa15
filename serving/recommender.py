"""One recommender for HTTP and the demo: online features of a user in, an explained answer out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.workspace import workspace
from models.two_stage import Recommendation, TwoStage
from serving.features import OnlineFeatures, check_built, fail_fast
from serving.schemas import Answer, Film, Item, Reasons

CANDIDATES = 500
POPULARITY = "popularity"
SHOWN = ["movie_id", "movie_title", "movie_year", "movie_genre_names"]

Stage = Callable[[str], AbstractContextManager[Any]]


class Recommender:
    """Answers for single users. Thread-safe after construction: nothing is written to it.

    features: the online store's door
    models: recall channels and ranker, loaded
    Raises CineFeastError when films have no features online, OnlineStoreError when the store is down.
    """

    def __init__(self, features: OnlineFeatures, models: TwoStage) -> None:
        self.features = features
        self.models = models
        self.catalogue = features.catalogue(models.movie_ids)
        self._film = {film["movie_id"]: film for film in self.catalogue.table.select(SHOWN).to_pylist()}

    def answer(self, user_id: int, n: int, explain: bool = True, stage: Stage | None = None) -> Answer:
        """The best `n` unseen films for a user; the most popular ones for a user without features online."""
        stage = stage or (lambda name: nullcontext())
        with stage("features"):
            user = self.features.users([user_id])
        known = user["user_index"][0].is_valid
        with stage("recommend"):
            recommended = self._two_stage(user, n) if known else self._popularity(user, n)
        with stage("render"):
            return Answer(
                user_id=user_id,
                strategy="two_stage" if known else "popularity",
                reason=None if known else f"user {user_id} has no features online",
                catalogue_version=self.catalogue.version,
                items=[self._item(rank, film, explain) for rank, film in enumerate(recommended, 1)],
            )

    def known_users(self, user_ids: Sequence[int] = range(1, 1001)) -> pa.Table:
        """Those of the users who have features online, with their features."""
        users = self.features.users(user_ids)
        return users.filter(pc.is_valid(users["user_index"]))

    def film(self, movie_id: int) -> Film:
        """Id and title."""
        return Film(movie_id=movie_id, title=self._film.get(movie_id, {}).get("movie_title"))

    def _two_stage(self, user: pa.Table, n: int) -> list[Recommendation]:
        seen = [np.asarray(user["user_seen_movie_ids"][0].as_py() or [], np.int64)]
        return self.models.recommend(user, self.catalogue.table, n, seen, candidates=CANDIDATES)[0]

    def _popularity(self, user: pa.Table, n: int) -> list[Recommendation]:
        ids, scores = self.models.channels[POPULARITY].recommend(user, n, None)
        return [
            Recommendation(int(movie), float(score), {POPULARITY: rank}, {})
            for rank, (movie, score) in enumerate(zip(ids[0], scores[0], strict=True), 1)
            if movie >= 0
        ]

    def _item(self, rank: int, film: Recommendation, explain: bool) -> Item:
        known = self._film.get(film.movie_id, {})
        return Item(
            rank=rank,
            movie_id=film.movie_id,
            title=known.get("movie_title"),
            year=known.get("movie_year"),
            genres=known.get("movie_genre_names") or [],
            score=film.score,
            reasons=self._reasons(film) if explain else None,
        )

    def _reasons(self, film: Recommendation) -> Reasons:
        because = film.because
        return Reasons(
            channels=film.channels,
            because_you_watched=[self.film(movie) for movie in because.get("similar_to") or []],
            shared_director=because.get("shared_director"),
            shared_genres=because.get("shared_genres") or [],
        )


def load_recommender() -> Recommender:
    """The recommender of the workspace: trained artifacts, the live registry, the online store.

    Raises CineFeastError with the next command for whatever step is missing.
    """
    place = workspace()
    check_built()
    from feature_repo.store import load_store

    store = fail_fast(load_store())
    models = TwoStage.load(place.artifacts, store)
    return Recommender(OnlineFeatures(store, models.services), models)
