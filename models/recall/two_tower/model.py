"""Two-tower recall: a user vector and a film vector whose inner product says how well they fit."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch
from feast import FeatureStore

from models import onnx
from models.columns import integers, microseconds, numbers
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.nn.negatives import Kinds, Negatives, Ratings
from models.recall.nn.recaller import NeuralRecaller
from models.recall.two_tower.config import TwoTowerConfig
from models.recall.two_tower.features import Features, FilmTable
from models.recall.two_tower.towers import FilmInputs, Shape, Towers, UserInputs
from models.recall.two_tower.training import Examples, Training
from models.training import Batches, Loss
from models.weights import PREFIX, take_weights, weights_of

FILM_IDS = "film_id.weight"
"""The films' own vectors among the weights; row 0 is a film unknown in training."""


class TwoTower(NeuralRecaller):
    """Two-tower retrieval: history, ids, genres, people, text, statistics and context, gated, in one space.

    Yi et al., Sampling-bias-corrected neural modeling (RecSys 2019), with negatives mixed in as in Yang et al. (WWW
    2020), gates as in Huang et al. (RecSys 2019), and ratings as a second task.
    """

    Config = TwoTowerConfig
    EXTRA: ClassVar[tuple[str, ...]] = (onnx.FILE,)
    DECISIVE = "recall@50"
    config: TwoTowerConfig
    network: Towers
    film_table: FilmTable
    """The films that training ended with; a loaded model has their vectors alone."""

    def __init__(self, config: TwoTowerConfig) -> None:
        super().__init__(config)
        self.features = Features(config)

    def prepare(self, data: Dataset, until: Split) -> tuple[Batches, Loss]:
        """Every rating, with the user as of its moment, against films as they stand at the end of `until`."""
        catalogue = data.catalogue(self.config.service, until)
        self.films = Ids(integers(catalogue, "movie_id"))
        examples, negatives = self._examples(data, until, catalogue)
        self.film_table = self.features.facts(catalogue)
        self.network = self._network()
        training = Training(self.network, examples, self.film_table, negatives, self.config)
        return training.batches, training.loss

    def reindex(self) -> None:
        """Index what the film tower makes of all films."""
        self.index_films(self._film_vectors(self.film_table))

    def refreshed(self, data: Dataset) -> Self:
        """The same towers over all films as they stand at the newest rating: features make vectors of the new ones."""
        catalogue = data.catalogue(self.config.service, SPLITS[-1])
        model = type(self)(self.config)
        model.provenance, model.metrics, model.epochs = self.provenance, self.metrics, self.epochs
        model.features, model.films = self.features, Ids(integers(catalogue, "movie_id"))
        before = self.films.rows(model.films.values)
        model.trained = (before >= 0) & self.trained[before]
        model.network = model._network()
        weights = self.network.state_dict()
        model.network.load_state_dict(weights | {FILM_IDS: weights[FILM_IDS][np.concatenate([[0], before + 1])]})
        model.film_table = model.features.facts(catalogue)
        model.reindex()
        return model

    def user_vectors(self, users: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (n, 1, d) of rows of user features; someone without any film known from training is not known."""
        batch = self.features.of_users(users, self.films, self.trained)
        known = (batch.history > 0).any(dim=1).numpy()
        if self.session and users.num_rows == 1:
            return self.session({name: part.numpy() for name, part in batch._asdict().items()})[:, None], known
        place = self.network.film_id.weight.device
        with torch.inference_mode():
            vectors = self.network.users(UserInputs(*(part.to(place) for part in batch)))
        return vectors.float().cpu().numpy()[:, None], known

    def _network(self) -> Towers:
        shape = Shape(**{name: getattr(self.config, name) for name in Shape._fields})
        return Towers(self.features.sizes(len(self.films)), shape)

    def _examples(self, data: Dataset, until: Split, catalogue: pa.Table) -> tuple[Examples, Negatives]:
        """Fit the features, and turn training ratings into examples and what negatives are drawn from."""
        c = self.config
        events = data.interactions(*SPLITS[: SPLITS.index(until) + 1])
        table = data.users(c.service, events.select(["user_id", "event_timestamp"]).to_pandas())
        self.features.fit(table, catalogue)
        films = self.films.rows(integers(events, "movie_id")) + 1
        self.trained = np.bincount(films, minlength=len(self.films) + 1)[1:] > 0
        users = self.features.of_users(table, self.films, self.trained)
        useful = (users.history > 0).any(dim=1).numpy() & (films > 0)  # as served: someone with a film behind them
        stars = numbers(events, "rating")[useful]
        examples = Examples(
            UserInputs(*(part[useful] for part in users)), torch.from_numpy(films[useful]),
            torch.from_numpy((stars - stars.mean()) / max(float(stars.std()), 1e-3)),
        )  # fmt: skip
        ratings = Ratings(integers(events, "user_id")[useful], films[useful], stars, microseconds(events)[useful])
        kinds = Kinds(c.hard_low_rated, c.hard_popular, c.hard_same_genre, c.hard_stale)
        genres = np.concatenate([np.zeros((1, self.features.genres)), self.features.film_genres(catalogue)])
        return examples, Negatives(ratings, genres, kinds, c.low_rating, c.popular, c.window)

    @torch.no_grad()
    def _film_vectors(self, facts: FilmTable) -> np.ndarray:
        """Vectors (m, d) of all films; one without a rating in training is id 0."""
        self.network.eval()
        place = self.network.film_id.weight.device
        known = torch.from_numpy(self.trained)
        parts = []
        for rows in torch.arange(len(self.films)).split(8192):
            films = facts.films(rows + 1)
            films = films._replace(id=films.id * known[rows])
            parts.append(self.network.films(FilmInputs(*(part.to(place) for part in films))).float().cpu())
        return torch.cat(parts).numpy()

    def tensors(self) -> dict[str, np.ndarray]:
        """Weights of both towers, the films' vectors, what the features learned."""
        own = {"trained": self.trained, "vectors": self.vectors}
        return weights_of(self.network, PREFIX) | own | self.features.tensors()

    def facts(self) -> dict[str, Any]:
        """What the features' widths are, the categories' values, the epochs trained."""
        return self.features.described() | super().facts()

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Build the towers and the index from what was saved."""
        self.trained, self.epochs = tensors["trained"], facts["epochs"]
        self.features.restore(tensors, facts)
        self.network = self._network()
        take_weights(self.network, tensors, PREFIX)
        self.index_films(tensors["vectors"])

    def save_parts(self, folder: Path) -> None:
        """The user tower as ONNX, for one user."""
        sizes, window = self.network.sizes, self.config.window
        example = UserInputs(
            torch.ones(1).long(), torch.ones(1, window).int(), torch.zeros(1, sizes.user_genres),
            torch.zeros(1, sizes.user_statistics), torch.zeros(1, 3).long(),
        )  # fmt: skip
        network = self.network
        onnx.export(network, lambda *i: network.users(UserInputs(*i)), example._asdict(), folder / onnx.FILE, {})

    def load_parts(self, folder: Path) -> None:
        """Take it back."""
        self.session = onnx.Session(folder / onnx.FILE)
