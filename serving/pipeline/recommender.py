"""The lists of the API: candidates of recall or of the request, scored, and put in order by the rules.

Every list ends in `_list`, which applies the rules. Whatever fails before it leaves something to show: fewer channels,
recall's order, features as they were, popularity in the end; the answer says so in `degraded`.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.running import UserHistory
from models.columns import integers
from models.recall.merge import Candidates
from models.two_stage import TwoStage
from serving.errors import NotFoundError
from serving.events.film_updates import FilmUpdates
from serving.features.reader import OnlineFeatures
from serving.pipeline.candidates import fan_out
from serving.pipeline.catalogue import Films
from serving.pipeline.explain import reasons
from serving.pipeline.request import Question
from serving.pipeline.rerank import Lineup, Placed, Wanted, arrange
from serving.pipeline.similar_items import near, space_of
from serving.pipeline.user_context import People, Person
from serving.rules.file import RuleFile
from serving.schemas.requests import CandidatesQuery, ListQuery, Stars
from serving.schemas.responses import Answer, Item, Reasons, Strategy, Versions
from serving.telemetry.deadlines import StageError, Stages

POPULAR, TRENDING = "popularity", "popularity_recent"


class Recommender:
    """Answers for single users. Thread-safe.

    features: the online store's door
    models: recall channels and ranker, loaded, and their version
    stages: what runs each stage in its time
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
    ) -> None:
        self.features, self.models, self.version = features, models, version
        self.rules, self.stages, self.metrics = rules, stages, stages.metrics
        self.note: Callable[[Person, np.ndarray, list[int]], None] | None = None
        """Told of each ranked answer for a user: the films that were ranked, and those shown. It never waits."""
        self.catalogue = features.catalogue(models.movie_ids)
        self.people = People(features, self.stages)
        self._updates = updates
        self._films = Films(self.catalogue.table, updates.latest(), space_of(models))
        counts = integers(self.catalogue.table, "movie_count_ratings", 0)
        order = np.argsort(-counts, kind="stable")
        self._most_rated = integers(self.catalogue.table, "movie_id")[order], counts[order].astype(np.float32)

    @property
    def films(self) -> Films:
        """All films as of now."""
        latest = self._updates.latest()
        if latest is not self._films.updates:
            self._films = self._films.changed(latest)
        return self._films

    def answer(self, user_id: int, asked: CandidatesQuery) -> Answer:
        """Films for a user; the most popular ones where nothing is known of them."""
        return self._for(self._question(self.people.user(user_id), asked), asked.candidates)

    def visitor(self, ratings: list[Stars], asked: CandidatesQuery) -> Answer:
        """Films for somebody without an account."""
        films = self.films
        if unknown := [rated.movie_id for rated in ratings if rated.movie_id not in films]:
            raise NotFoundError(f"no film {', '.join(map(str, unknown[:10]))}")
        now = int(time.time())
        history = UserHistory([], [], [])
        for before, rated in enumerate(reversed(ratings)):
            history.add(rated.movie_id, rated.rating, now - before)
        genres = {movie: films.get(movie).get("movie_genres") or [] for movie in history.movie_ids}
        return self._for(self._question(self.people.visitor(history, genres), asked), asked.candidates)

    def similar(self, movie_id: int, user_id: int | None, asked: ListQuery) -> Answer:
        """Films that those who rated this one rated too, and films near to it; none that the user has seen."""
        if movie_id not in self.films:
            raise NotFoundError(f"no film {movie_id}")
        question = self._question(self._person(user_id), asked, (movie_id,))
        return self._list(near(self.models, question.films, movie_id), question, "similar")

    def chart(self, channel: str, user_id: int | None, asked: ListQuery) -> Answer:
        """A list that is the same for everyone, less what the user has seen."""
        return self._chart(channel, self._question(self._person(user_id), asked))

    def rerank(self, user_id: int, movie_ids: list[int], asked: ListQuery) -> Answer:
        """The given films in the user's order; those that they may not see, and unknown ones, are left out."""
        question = self._question(self._person(user_id), asked)
        person = question.person
        ids = np.array(list(dict.fromkeys(movie_ids)), np.int64)[None]
        none = np.zeros(ids.shape)
        channels = self.models.channels
        found = Candidates(
            ids,
            np.broadcast_to(-np.arange(ids.shape[1], dtype=np.float32), ids.shape),
            {name: none.astype(np.int64) for name in channels},
            {name: none.astype(np.float32) for name in channels},
        )
        scores, why = self._scores(person.at(asked.moment), found)
        if why:
            person.degraded.append(f"{why}; in the order given")
        order = np.argsort(-scores, kind="stable")
        return self._list(Lineup(ids[0][order], scores[order], {}), question, "rerank")

    def known_users(self, user_ids: "range | list[int]" = range(1, 1001)) -> pa.Table:
        """Those of the users who have features online, with their features."""
        users = self.features.users(list(user_ids))
        return users.filter(pc.is_valid(users["user_seen_movie_ids"]))

    def _person(self, user_id: int | None) -> Person:
        return self.people.nobody() if user_id is None else self.people.user(user_id)

    def _question(self, person: Person, asked: ListQuery, besides: tuple[int, ...] = ()) -> Question:
        return Question.of(person, asked, self.films, self.rules.now(), besides)

    def _for(self, question: Question, candidates: int | None) -> Answer:
        """Recall and rank; popularity for somebody of whom nothing is known, or where recall brings nothing."""
        person, settings = question.person, question.settings
        if not person.is_known:
            return self._chart(POPULAR, question, f"user {person.user_id} has no features online")
        at = person.at(question.asked.moment)
        recalled = fan_out(
            self.stages, self.models, at, question.left_out, candidates or settings.candidates, settings.silent
        )
        person.degraded.extend(recalled.missing)
        found = recalled.candidates
        if not (found.ids >= 0).any():
            return self._chart(POPULAR, question, "recall brought no film")
        scores, why = self._scores(at, found) if settings.ranked else (found.scores[0], None)
        if why:
            person.degraded.append(f"{why}; in recall's order")
        strategy: Strategy = "two_stage" if settings.ranked and not why else "recall"
        order = np.argsort(-scores, kind="stable")
        ranks = {name: rank[0][order] for name, rank in found.ranks.items()}
        return self._list(Lineup(found.ids[0][order], scores[order], ranks), question, strategy)

    def _scores(self, person: Person, found: Candidates) -> tuple[np.ndarray, str | None]:
        """The ranker's scores (c,), or those that the candidates came with and why."""
        try:
            scored = self.stages.run(
                "rank", self.stages.budgets["rank"], lambda: self.models.scored(person.row, self.catalogue.table, found)
            )
            return scored[1][0], None
        except StageError as error:
            return found.scores[0], str(error)

    def _chart(self, channel: str, question: Question, reason: str | None = None) -> Answer:
        person, exclude = question.person, question.left_out
        size = question.asked.n + len(person.left_out) + 100  # enough for rules to choose from
        try:
            if channel not in self.models.channels:
                raise StageError(f"recall:{channel}: no such channel is served")
            chart = self.models.channels[channel]
            ids, scores = self.stages.run(
                f"recall:{channel}", self.stages.budgets["recall"], lambda: chart.recommend(person.row, size, [exclude])
            )
        except StageError as error:
            person.degraded.append(f"{error}; by the ratings that the films' features count")
            lineup = Lineup(*self._most_rated, {})
        else:
            lineup = Lineup(ids[0], scores[0], {channel: np.arange(1, ids.shape[1] + 1)})
        strategy: Strategy = "popularity" if channel == POPULAR else "trending"
        return self._list(lineup, question, strategy, reason)

    def _list(self, lineup: Lineup, question: Question, strategy: Strategy, reason: str | None = None) -> Answer:
        """Put candidates in order by the rules and tell them. The one way to an answer."""
        person, asked, films = question.person, question.asked, question.films
        with self.metrics.stage("rules"):
            wanted = Wanted(
                asked.n,
                question.left_out,
                person.films("user_clicked_movie_ids"),
                asked.device,
                seed=(person.user_id or 0) + datetime.now(UTC).toordinal(),
            )
            arranged = arrange(lineup, question.settings, films, wanted)
        with self.metrics.stage("explain"):
            whys: list[Reasons | None] = [None] * len(arranged.films)
            if asked.explain:
                whys = list(reasons(arranged.films, person, films, self.models))
            placed = zip(arranged.films, whys, strict=True)
            items = [item(rank, one, films, why) for rank, (one, why) in enumerate(placed, 1)]
        self.metrics.answered(strategy, person.degraded, arranged.notes)
        if person.user_id is not None and (last := person.last_event) is not None:
            self.metrics.feature_age.observe(max(0.0, time.time() - last))
        if self.note and strategy == "two_stage" and person.user_id is not None:
            self.note(person, lineup.ids, [item.movie_id for item in items])
        notes = [*arranged.notes, *([f"rules refused: {self.rules.refused}"] if self.rules.refused else [])]
        return Answer(
            user_id=person.user_id, strategy=strategy, reason=reason, variant=question.variant,
            degraded=person.degraded, notes=notes, catalogue_version=self.catalogue.version,
            versions=Versions(models=self.version, features=person.version) if asked.explain else None,
            items=items,
        )  # fmt: skip


def item(rank: int, film: Placed, films: Films, why: Reasons | None) -> Item:
    """A film as it is answered."""
    known = films.get(film.movie_id)
    return Item(
        rank=rank,
        movie_id=film.movie_id,
        title=known.get("movie_title"),
        year=known.get("movie_year"),
        genres=known.get("movie_genre_names") or [],
        score=film.score,
        reasons=why,
    )
