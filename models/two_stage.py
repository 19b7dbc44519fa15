"""Recall, merge, rank: the one way from features to recommendations, for evaluation, the demo and HTTP."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.columns import integers
from models.ids import Ids
from models.rank.encoding import FilmFields
from models.rank.samples.pairs import Pairs, PreparedFilms, make_pairs, recall_columns
from models.recall.base import Recaller
from models.recall.fan_out import BROUGHT, fan_out
from models.recall.merge import Candidates
from models.recall.merging import Merging
from models.recall.neighbours.item_cf import ItemCF
from models.recall.registry import MERGE
from models.registry import model_class
from models.served import CHANNELS, RANKER

REASONS = ["movie_director_id", "movie_director_name", "movie_genre_names"]
"""What reasons are made of."""


@dataclass(frozen=True)
class Recommendation:
    """One recommended film and why it is there."""

    movie_id: int
    score: float
    """The ranker's logit."""
    channels: dict[str, int]
    """The channels that brought it, with its rank in each, 1 for the first."""
    because: dict[str, Any]
    """similar_to: watched films that speak for it; shared_director; shared_genres."""


@dataclass(frozen=True)
class PreparedCatalogue:
    """What is worked out of a catalogue once: a server asks with the same one each time."""

    catalogue: pa.Table
    facts: PreparedFilms
    encoded: FilmFields


class TwoStage:
    """Recall channels and a ranker, loaded."""

    def __init__(self, channels: dict[str, Recaller], ranker: Any, merging: Merging) -> None:
        self.channels = channels
        self.ranker = ranker
        self.merging = merging
        self._prepared: PreparedCatalogue | None = None

    @classmethod
    def load(cls, artifacts: Path, store: FeatureStore) -> Self:
        """The models saved below `artifacts`; CineFeastError where one is missing or of another feature schema."""
        channels: dict[str, Any] = {name: model_class(name).load(artifacts / name, store) for name in CHANNELS}
        return cls(channels, model_class(RANKER).load(artifacts / RANKER, store), MERGE)

    @property
    def services(self) -> list[str]:
        """The Feast services that the models read."""
        return sorted({model.config.service for model in [*self.channels.values(), self.ranker]})

    @property
    def movie_ids(self) -> np.ndarray:
        """Every film that some channel can bring, ascending."""
        return np.unique(np.concatenate([channel.films.values for channel in self.channels.values()]))

    def recall(self, users: pa.Table, exclude: list[np.ndarray], size: int = BROUGHT) -> Candidates:
        """Merged candidates for each user."""
        return fan_out(self.channels, self.merging, users, exclude, size)

    def pairs(
        self,
        users: pa.Table,
        films: pa.Table,
        candidates: Candidates,
        rows: np.ndarray,
        facts: PreparedFilms | None = None,
    ) -> Pairs:
        """What the ranker scores, in the order of `numpy.nonzero(rows >= 0)`.

        `rows` (n, c) tells each candidate's row in `films`, -1 for none. `facts` are those of all films, made of
        `films` where they are not given.
        """
        user, place = np.nonzero(rows >= 0)
        recall = recall_columns(candidates, list(self.channels))[user, place]
        if facts is None:
            prepared = self._prepared_of(films).facts
            return make_pairs(users, films, user, rows[user, place], recall, prepared, prepared.films)
        named, film = np.unique(rows[user, place], return_inverse=True)  # prepare these alone, not all films
        return make_pairs(users, films.take(pa.array(named)), user, film, recall, facts)

    def order(
        self, candidates: Candidates, rows: np.ndarray, pairs: Pairs, films: FilmFields | None = None
    ) -> np.ndarray:
        """The ranker's scores (n, c) of the candidates; -inf where `rows` has none."""
        scores = np.full(candidates.ids.shape, -np.inf, np.float32)
        scores[rows >= 0] = self.ranker.score(pairs, films)
        return scores

    def scored(self, users: pa.Table, catalogue: pa.Table, found: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Each candidate's row in `catalogue` (n, c), -1 for none, and the ranker's scores (n, c)."""
        prepared = self._prepared_of(catalogue)
        rows = np.where(found.ids >= 0, prepared.facts.ids.rows(found.ids), -1)
        return rows, self.order(found, rows, self.pairs(users, catalogue, found, rows), prepared.encoded)

    def _prepared_of(self, catalogue: pa.Table) -> PreparedCatalogue:
        if self._prepared is None or self._prepared.catalogue is not catalogue:
            self._prepared = PreparedCatalogue(
                catalogue, PreparedFilms(catalogue, alone=True), self.ranker.encoder.of_films(catalogue)
            )
        return self._prepared

    def recommend(
        self, users: pa.Table, catalogue: pa.Table, k: int, exclude: list[np.ndarray], candidates: int = BROUGHT
    ) -> list[list[Recommendation]]:
        """The best `k` films a user with their reasons, best first; fewer where fewer are left.

        `users` has a row a user with the user features of `services`, `catalogue` a row a film with the film
        features, both from history or online alike; films that the catalogue lacks are not recommended.
        """
        found = self.recall(users, exclude, candidates)
        rows, scores = self.scored(users, catalogue, found)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return [
            self._explained(users.slice(i, 1), catalogue, found, scores[i], rows[i], i, best[i])
            for i in range(users.num_rows)
        ]

    def _explained(
        self,
        user: pa.Table,
        catalogue: pa.Table,
        found: Candidates,
        scores: np.ndarray,
        rows: np.ndarray,
        i: int,
        best: np.ndarray,
    ) -> list[Recommendation]:
        places = [place for place in best if np.isfinite(scores[place])]
        if not places:
            return []
        ids = found.ids[i, places]
        similar = self._similar(user, ids)
        history = watched(user, catalogue)
        films = catalogue.select(REASONS).take(pa.array(rows[places])).to_pylist()
        return [
            Recommendation(
                movie_id=int(movie),
                score=float(scores[place]),
                channels={name: int(ranks[i, place]) for name, ranks in found.ranks.items() if ranks[i, place] > 0},
                because={"similar_to": liked, **shared(film, history)},
            )
            for movie, place, liked, film in zip(ids, places, similar, films, strict=True)
        ]

    def _similar(self, user: pa.Table, ids: np.ndarray) -> list[list[int]]:
        item_cf = next((c for c in self.channels.values() if isinstance(c, ItemCF)), None)
        return item_cf.contributors(user, ids) if item_cf else [[] for _ in ids]


def watched(user: pa.Table, catalogue: pa.Table) -> list[dict[str, Any]]:
    """The catalogue's rows of the films in a user's window (one row)."""
    recent = np.asarray(user["user_recent_movie_ids"][0].as_py() or [], np.int64)
    rows = Ids(integers(catalogue, "movie_id")).rows(recent)
    found: list[dict[str, Any]] = catalogue.select(REASONS).take(pa.array(rows[rows >= 0])).to_pylist()
    return found


def shared(film: dict[str, Any], history: list[dict[str, Any]]) -> dict[str, Any]:
    """What a film has in common with the films watched: its director, and genres that a third of them have."""
    director = film["movie_director_id"]
    knows = director is not None and any(seen["movie_director_id"] == director for seen in history)
    genres = [
        name
        for name in film["movie_genre_names"] or []
        if sum(name in (seen["movie_genre_names"] or []) for seen in history) * 3 >= max(len(history), 1)
    ]
    return {"shared_director": film["movie_director_name"] if knows else None, "shared_genres": genres}
