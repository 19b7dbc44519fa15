"""Two-tower recall: a user vector and a film vector whose inner product says how well they fit."""

from typing import Any, Self

import faiss
import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore

from models.columns import integers, multi_hot, ragged, shares, window
from models.config import ModelConfig
from models.dataset import SPLITS, Dataset, Split
from models.encoders import Categories, Statistics
from models.ids import Ids
from models.recall import towers
from models.recall.base import Recaller
from models.recall.two_tower_training import Examples, train


class TwoTowerConfig(ModelConfig):
    """Configuration of the two-tower model."""

    user_counts: list[str]
    """User features that enter as log(1 + x), standardised."""
    user_numbers: list[str]
    """User features that enter standardised."""
    user_categories: list[str]
    """User features that enter one-hot."""
    user_genres: list[str]
    """User features that are lists with a number a genre."""
    film_counts: list[str]
    """Film features that enter as log(1 + x), standardised."""
    film_numbers: list[str]
    """Film features that enter standardised."""
    window: int
    """How many of the latest films the user tower pools; the feature holds 50."""
    recent: int
    """How many of the very latest films are pooled once more, apart."""
    dim: int
    """Width of ids and of the vectors compared."""
    hidden: int
    """Width of the towers' hidden layer."""
    dropout: float
    """Dropout in the hidden layers."""
    id_dropout: float
    """How often an id is hidden in training, so that unknown users and films get sensible vectors."""
    normalise: bool
    """Whether vectors are brought to length one (cosine) before they are compared."""
    temperature: float
    """What inner products are divided by in the loss; smaller is sharper."""
    log_q: float
    """How much of the sampling correction is applied: 1 is Yi et al. 2019, 0 leaves popular films pushed down."""
    batch: int
    """Events in a batch, each the others' negative."""
    epochs: int
    """At most so many passes over the events."""
    patience: int
    """Passes without a better validation Recall@50 after which training stops."""
    learning_rate: float
    """AdamW's step."""
    weight_decay: float
    """AdamW's weight decay."""


class TwoTower(Recaller):
    """Two-tower retrieval on ids, genres and statistics, InfoNCE over in-batch negatives, exact search by FAISS."""

    Config = TwoTowerConfig
    config: TwoTowerConfig

    def __init__(self, config: TwoTowerConfig) -> None:
        super().__init__(config)
        self.users = Ids(np.empty(0, np.int64))
        self.user_statistics = Statistics(config.user_counts, config.user_numbers)
        self.film_statistics = Statistics(config.film_counts, config.film_numbers)
        self.user_categories = Categories(config.user_categories)
        self.genres = 0
        self.epochs: int | None = None

    def fit(self, data: Dataset, until: Split) -> None:
        """Train on the events up to `until`, then index the films as of its end.

        Up to `train`, training stops early on the validation events and keeps the best weights; further on
        it runs for as many epochs as that took (see `refit`), or the configured number.
        """
        events = data.labelled(self.config.service, *SPLITS[: SPLITS.index(until) + 1])
        catalogue = data.catalogue(self.config.service, until)
        self.films = Ids(integers(catalogue, "movie_id"))
        self.users = Ids(np.unique(integers(events, "user_id")))
        self.user_statistics.fit(events)
        self.film_statistics.fit(events)
        self.user_categories.fit(events)
        self.genres = 1 + int(ragged(catalogue, "movie_genres")[0].max(initial=-1))
        rated = np.zeros(len(self.films), bool)
        rows = self.films.rows(integers(events, "movie_id"))
        rated[rows[rows >= 0]] = True
        self.trained = rated
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            self.network = self._network()
            examples = self._examples(data, events)
            check = self._check(data) if until == "train" else None
            self.epochs, self.metrics = train(
                self.network, examples, self.config, self.epochs or self.config.epochs,
                check and (lambda: self._recall(check, catalogue)),
            )  # fmt: skip
        self._index(self._film_vectors(catalogue))
        self.came_from(data, until)

    def refit(self, data: Dataset, until: Split) -> Self:
        """A new model, trained up to `until` for as many epochs as were best here."""
        model = type(self)(self.config)
        model.epochs = self.epochs
        model.fit(data, until)
        model.metrics = self.metrics
        return model

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The films nearest to each user's vector; users without any known film in their window get nothing."""
        n = users.num_rows
        batch = self._users(users)
        skip = [self.films.rows(ids) for ids in exclude] if exclude is not None else []
        wide = min(len(self.films), k + max((len(ids) for ids in skip), default=0))
        scores, rows = self.index.search(self._user_vectors(batch), max(wide, 1))  # FAISS pads with -1
        gone = rows < 0
        for i, ids in enumerate(skip):
            gone[i] |= np.isin(rows[i], ids)
        gone[(batch.history == 0).all(dim=1).numpy()] = True
        order = np.argsort(gone, axis=1, kind="stable")[:, :k]
        gone = np.take_along_axis(gone, order, axis=1)
        ids = np.full((n, k), -1, np.int64)
        values = np.full((n, k), -np.inf, np.float32)
        ids[:, : order.shape[1]] = np.where(gone, -1, self.films.at(np.take_along_axis(rows, order, axis=1)))
        values[:, : order.shape[1]] = np.where(gone, -np.inf, np.take_along_axis(scores, order, axis=1))
        return ids, values

    def _network(self) -> towers.Towers:
        c = self.config
        return towers.Towers(
            users=len(self.users), films=len(self.films),
            user_features=self.user_statistics.width + self.user_categories.width + self.genres * len(c.user_genres),
            film_features=self.film_statistics.width + self.genres,
            dim=c.dim, hidden=c.hidden, recent=c.recent, dropout=c.dropout, id_dropout=c.id_dropout,
            normalise=c.normalise,
        )  # fmt: skip

    def _users(self, table: pa.Table) -> towers.Users:
        """Rows of user features as the tower takes them; an unknown user is id 0 with mean features."""
        features = [self.user_statistics(table), self.user_categories(table)]
        features += [shares(table, name, self.genres) for name in self.config.user_genres]
        recent = window(table, "user_recent_movie_ids", self.films, self.config.window)
        recent = np.where((recent >= 0) & self.trained[np.maximum(recent, 0)], recent, -1)
        ids = np.zeros(table.num_rows, np.int64)
        if "user_id" in table.column_names:
            ids = self.users.rows(integers(table, "user_id")) + 1
        return towers.Users(
            torch.from_numpy(ids), torch.from_numpy(recent + 1), torch.from_numpy(np.concatenate(features, axis=1))
        )

    def _films(self, table: pa.Table) -> towers.Films:
        """Rows of film features as the tower takes them; a film without a rating in training is id 0."""
        rows = self.films.rows(integers(table, "movie_id"))
        ids = np.where((rows >= 0) & self.trained[np.maximum(rows, 0)], rows + 1, 0)
        features = [self.film_statistics(table), multi_hot(table, "movie_genres", self.genres)]
        return towers.Films(torch.from_numpy(ids), torch.from_numpy(np.concatenate(features, axis=1)))

    def _examples(self, data: Dataset, events: pa.Table) -> Examples:
        users, films = self._users(events), self._films(events)
        useful = (users.history > 0).any(dim=1) & (films.id > 0)  # as served: someone with a film behind them
        users = towers.Users(*(column[useful] for column in users))
        films = towers.Films(*(column[useful] for column in films))
        drawn = torch.bincount(films.id, minlength=len(self.films) + 1).float() / max(len(films.id), 1)
        return Examples(users, films, torch.log(drawn.clamp(min=1e-9)))

    def _check(self, data: Dataset) -> tuple[towers.Users, np.ndarray, list[np.ndarray]]:
        """Up to 2,000 validation events: users, target rows, rows seen before."""
        events = data.labelled(self.config.service, "validation")
        targets = self.films.rows(integers(events, "movie_id"))
        useful = np.flatnonzero((targets >= 0) & (np.diff(ragged(events, "user_recent_movie_ids")[1]) > 0))
        drawn = np.random.default_rng(self.config.seed).permutation(useful)[:2000]
        events = events.take(drawn)
        seen = data.seen(events.select(["user_id", "event_timestamp"]).to_pandas()) if len(drawn) else []
        return self._users(events), targets[drawn], [self.films.rows(ids) for ids in seen]

    def _recall(self, check: tuple[towers.Users, np.ndarray, list[np.ndarray]], catalogue: pa.Table) -> float:
        """Recall@50 over the full catalogue, films seen removed."""
        users, targets, seen = check
        if not len(targets):
            return 0.0
        scores = self._user_vectors(users) @ self._film_vectors(catalogue).T
        for i, rows in enumerate(seen):
            scores[i, rows[(rows >= 0) & (rows != targets[i])]] = -np.inf
        ahead = (scores > scores[np.arange(len(targets)), targets][:, None]).sum(axis=1)
        return float((ahead < 50).mean())

    @torch.no_grad()
    def _user_vectors(self, users: towers.Users) -> np.ndarray:
        self.network.eval()
        return self.network.users(users).numpy()

    @torch.no_grad()
    def _film_vectors(self, catalogue: pa.Table) -> np.ndarray:
        self.network.eval()
        return self.network.films(self._films(catalogue)).numpy()

    def _index(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.index = faiss.IndexFlatIP(self.config.dim)
        self.index.add(vectors)

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights of both towers, the films' vectors, the normalisation, the users trained on."""
        weights = {f"network.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        known = {"users": self.users.values, "trained": self.trained, "vectors": self.vectors}
        return weights | known | self.user_statistics.tensors("user") | self.film_statistics.tensors("film")

    def facts(self) -> dict[str, Any]:
        """The number of genres, the categories' values, the epochs trained."""
        return {"genres": self.genres, "vocabulary": self.user_categories.vocabulary, "epochs": self.epochs}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the towers and the index from what was saved."""
        self.users, self.trained = Ids(tensors["users"]), tensors["trained"]
        self.genres, self.epochs = facts["genres"], facts["epochs"]
        self.user_categories = Categories(self.config.user_categories, facts["vocabulary"])
        self.user_statistics.restore("user", tensors)
        self.film_statistics.restore("film", tensors)
        self.network = self._network()
        weights = {n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self._index(tensors["vectors"])
