"""The lists of the API: candidates of recall or of the request, scored, and put in order by the rules.

Every list ends in `_list`, which applies the rules. Whatever fails before it leaves something to show: fewer channels,
recall's order, features as they were, popularity in the end; the answer says so in `degraded`.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.running import UserHistory
from models.recall.merge import Candidates
from models.two_stage import TwoStage
from serving.errors import NotFoundError
from serving.events.film_updates import FilmUpdates
from serving.features.reader import OnlineFeatures
from serving.pipeline.candidates import recall_in_time
from serving.pipeline.catalogue import FilmCatalogue, real_names, title_of
from serving.pipeline.charts import Charts
from serving.pipeline.explain import reasons
from serving.pipeline.request import ListRequest
from serving.pipeline.rerank import ListConstraints, RankedCandidates, RankedItem, apply_rules
from serving.pipeline.similar_items import VectorSpace, placed_by_content, similar_items, vector_space
from serving.pipeline.user_context import UserContext, UserContexts
from serving.rules.file import RuleFile
from serving.schemas.requests import CandidatesQuery, ListQuery, Stars
from serving.schemas.responses import Answer, FilmDetails, Item, Reasons, Strategy, Versions
from serving.telemetry.deadlines import StageError, Stages
from serving.telemetry.places import without_places

POPULAR, TRENDING = "popularity", "popularity_recent"
"""Charts, by the names of the channels that bring the same as of the models' cut-off."""


class Recommender:
    """Answers for single users. Thread-safe.

    features: the online store's door
    models: recall channels and ranker, loaded, and their version
    stages: what runs each stage in its time
    ledger: the file that tells which films events have renewed
    Raises CineFeastError when films have no features online, OnlineStoreError when the store is down.
    """

    def __init__(
        self,
        features: OnlineFeatures,
        models: TwoStage,
        version: str,
        updates: FilmUpdates,
        rules: RuleFile,
        stages: Stages,
        ledger: Path,
    ) -> None:
        self.features, self.models, self.version = features, models, version
        self.rules, self.stages, self.metrics = rules, stages, stages.metrics
        self.note: Callable[[UserContext, np.ndarray, list[int]], None] | None = None
        """Told of each ranked answer for a user: the films that were ranked, and those shown. It never waits."""
        movie_ids = features.movie_ids()
        self.catalogue = features.catalogue(movie_ids)
        added = np.array(list(updates.latest()), np.int64)
        self._charts = Charts(features, np.union1d(movie_ids, added), ledger, stages)
        self.contexts = UserContexts(features, self.stages)
        self._updates = updates
        self._films = FilmCatalogue(self.catalogue.table, updates.latest(), self._space())

    def _space(self) -> VectorSpace:
        return placed_by_content(vector_space(self.models), self.catalogue.table)

    @property
    def films(self) -> FilmCatalogue:
        """All films as of now."""
        latest = self._updates.latest()
        if latest is not self._films.updates:
            self._films = self._films.changed(latest)
        return self._films

    def answer(self, user_id: int, query: CandidatesQuery) -> Answer:
        """Films for a user; the most popular ones where nothing is known of them."""
        return self._for(self._request(self.contexts.user(user_id), query), query.candidates)

    def visitor(self, ratings: list[Stars], query: CandidatesQuery) -> Answer:
        """Films for somebody without an account."""
        films = self.films
        if unknown := [rated.movie_id for rated in ratings if rated.movie_id not in films]:
            raise NotFoundError(f"no film {', '.join(map(str, unknown[:10]))}")
        now = int(time.time())
        history = UserHistory([], [], [])
        for before, rated in enumerate(reversed(ratings)):
            history.add(rated.movie_id, rated.rating, now - before)
        genres = {movie: films.get(movie).get("movie_genres") or [] for movie in history.movie_ids}
        return self._for(self._request(self.contexts.visitor(history, genres), query), query.candidates)

    def similar(self, movie_id: int, user_id: int | None, query: ListQuery) -> Answer:
        """Films that those who rated this one rated too, and films near to it; none that the user has seen."""
        if movie_id not in self.films:
            raise NotFoundError(f"no film {movie_id}")
        request = self._request(self._context(user_id), query, (movie_id,))
        return self._list(similar_items(self.models, request.films, movie_id), request, "similar")

    def chart(self, channel: str, user_id: int | None, query: ListQuery) -> Answer:
        """A list that is the same for everyone, less what the user has seen."""
        return self._chart(channel, self._request(self._context(user_id), query))

    def film(self, movie_id: int) -> FilmDetails:
        """What is known of a film; NotFoundError where there is none."""
        if movie_id not in self.films:
            raise NotFoundError(f"no film {movie_id}")
        known = self.films.get(movie_id)
        return FilmDetails(
            movie_id=movie_id,
            title=title_of(known),
            year=known.get("movie_year"),
            genres=known.get("movie_genre_names") or [],
            language=known.get("movie_language"),
            director=next(iter(real_names([known.get("movie_director_name")])), None),
            cast=real_names(known.get("movie_lead_cast_names") or []),
            certification=known.get("movie_certification"),
            count_ratings=self._charts.now()[0].of_film(movie_id),
            is_retired=self.films.is_retired(movie_id),
            is_in_models=movie_id in self.models.movie_ids,
        )

    def rerank(self, user_id: int, movie_ids: list[int], query: ListQuery) -> Answer:
        """The given films in the user's order; those that they may not see, and unknown ones, are left out."""
        request = self._request(self._context(user_id), query)
        context = request.context
        ids = np.array(list(dict.fromkeys(movie_ids)), np.int64)[None]
        none = np.zeros(ids.shape)
        channels = self.models.channels
        found = Candidates(
            ids,
            np.broadcast_to(-np.arange(ids.shape[1], dtype=np.float32), ids.shape),
            {name: none.astype(np.int64) for name in channels},
            {name: none.astype(np.float32) for name in channels},
        )
        scores, why = self._scores(context.at(query.asked_at), found)
        if why:
            context.degraded.append(f"{why}; in the order given")
        order = np.argsort(-scores, kind="stable")
        return self._list(RankedCandidates(ids[0][order], scores[order], {}), request, "rerank")

    def known_users(self, user_ids: "range | list[int]" = range(1, 1001)) -> pa.Table:
        """Those of the users who have features online, with their features."""
        users = self.features.users(list(user_ids))
        return users.filter(pc.is_valid(users["user_seen_movie_ids"]))

    def _context(self, user_id: int | None) -> UserContext:
        return self.contexts.nobody() if user_id is None else self.contexts.user(user_id)

    def _request(self, context: UserContext, query: ListQuery, besides: tuple[int, ...] = ()) -> ListRequest:
        return ListRequest.of(context, query, self.films, self.rules.now(), besides)

    def _for(self, request: ListRequest, candidates: int | None) -> Answer:
        """Recall and rank; popularity for somebody of whom nothing is known, or where recall brings nothing."""
        context, settings = request.context, request.settings
        if not context.is_known:
            return self._chart(POPULAR, request, f"user {context.user_id} has no features online")
        at = context.at(request.query.asked_at)
        recalled = recall_in_time(
            self.stages,
            self.models,
            at,
            request.excluded_ids,
            candidates or settings.candidates,
            settings.disabled_channels,
        )
        context.degraded.extend(recalled.missing)
        found = recalled.candidates
        if not (found.ids >= 0).any():
            return self._chart(POPULAR, request, "recall brought no film")
        scores, why = self._scores(at, found) if settings.ranked else (found.scores[0], None)
        if why:
            context.degraded.append(f"{why}; in recall's order")
        strategy: Strategy = "two_stage" if settings.ranked and not why else "recall"
        order = np.argsort(-scores, kind="stable")
        ranks = {name: rank[0][order] for name, rank in found.ranks.items()}
        return self._list(RankedCandidates(found.ids[0][order], scores[order], ranks), request, strategy)

    def _scores(self, context: UserContext, found: Candidates) -> tuple[np.ndarray, str | None]:
        """The ranker's scores (c,), or those that the candidates came with and why."""
        try:
            scored = self.stages.run(
                "rank",
                self.stages.budgets["rank"],
                lambda: self.models.scored(context.row, self.catalogue.table, found),
            )
            return scored[1][0], None
        except StageError as error:
            return found.scores[0], str(error)

    def _chart(self, channel: str, request: ListRequest, reason: str | None = None) -> Answer:
        context, exclude = request.context, request.excluded_ids
        size = request.query.n + len(context.excluded_ids) + 100  # enough for rules to choose from
        counts, why = self._charts.now()
        if why:
            context.degraded.append(why)
        ids, numbers = (counts.popular if channel == POPULAR else counts.trending).without(exclude, size)
        ranked = RankedCandidates(ids, numbers, {channel: np.arange(1, len(ids) + 1)})
        strategy: Strategy = "popularity" if channel == POPULAR else "trending"
        return self._list(ranked, request, strategy, reason)

    def _list(
        self, ranked: RankedCandidates, request: ListRequest, strategy: Strategy, reason: str | None = None
    ) -> Answer:
        """Put candidates in order by the rules and tell them. The one way to an answer."""
        context, query, films = request.context, request.query, request.films
        with self.metrics.stage("rules"):
            wanted = ListConstraints(
                query.n,
                request.excluded_ids,
                context.films("user_clicked_movie_ids"),
                query.device,
                seed=(context.user_id or 0) + datetime.now(UTC).toordinal(),
            )
            arranged = apply_rules(ranked, request.settings, films, wanted)
        with self.metrics.stage("explain"):
            whys: list[Reasons | None] = [None] * len(arranged.films)
            if query.explain:
                whys = list(reasons(arranged.films, context, films, self.models))
            placed = zip(arranged.films, whys, strict=True)
            items = [item(rank, one, films, why) for rank, (one, why) in enumerate(placed, 1)]
        self.metrics.answered(strategy, context.degraded, arranged.notes)
        if context.user_id is not None and (last := context.last_event) is not None:
            self.metrics.feature_age.observe(max(0.0, time.time() - last))
        if self.note and strategy == "two_stage" and context.user_id is not None:
            self.note(context, ranked.ids, [item.movie_id for item in items])
        refused = [f"rules refused: {without_places(self.rules.refused)}"] if self.rules.refused else []
        return Answer(
            user_id=context.user_id, strategy=strategy, reason=reason, variant=request.variant,
            degraded=[without_places(why) for why in context.degraded],
            notes=[*arranged.notes, *refused], catalogue_version=self.catalogue.version,
            versions=Versions(models=self.version, features=context.version) if query.explain else None,
            items=items,
        )  # fmt: skip


def item(rank: int, film: RankedItem, films: FilmCatalogue, why: Reasons | None) -> Item:
    """A film as it is answered."""
    known = films.get(film.movie_id)
    return Item(
        rank=rank,
        movie_id=film.movie_id,
        title=title_of(known),
        year=known.get("movie_year"),
        genres=known.get("movie_genre_names") or [],
        score=film.score,
        reasons=why,
    )
