"""Recall, merge, rank: the one way from features to scored candidates, for evaluation, the demo and HTTP."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from models.rank.encoding import FilmFields
from models.rank.samples.pairs import Pairs, PreparedFilms, make_pairs, recall_columns
from models.recall.base import Recaller
from models.recall.fan_out import BROUGHT, fan_out
from models.recall.merge import Candidates
from models.recall.merging import Merging
from models.recall.registry import MERGE
from models.registry import model_class
from models.served import CHANNELS, RANKER


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
