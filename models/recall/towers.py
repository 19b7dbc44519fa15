"""The two towers and their loss, in PyTorch. Yi et al., Sampling-bias-corrected neural modeling (RecSys 2019)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Users(NamedTuple):
    """A batch of users. Id rows are shifted by one: 0 is unknown or nothing."""

    id: Tensor
    """(b,) int64 rows of the user table."""
    history: Tensor
    """(b, w) int64 rows of the film table, newest last, 0 padding."""
    features: Tensor
    """(b, fu) float32."""


class Films(NamedTuple):
    """A batch of films; 0 is a film unknown in training."""

    id: Tensor
    """(n,) int64 rows of the film table."""
    features: Tensor
    """(n, ff) float32."""


class Towers(nn.Module):
    """A user vector and a film vector in one space; the user's history shares the film tower's id table."""

    def __init__(
        self, users: int, films: int, user_features: int, film_features: int, dim: int, hidden: int,
        recent: int, dropout: float, id_dropout: float, normalise: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.recent, self.id_dropout, self.normalise = recent, id_dropout, normalise
        self.film_id = nn.Embedding(films + 1, dim, padding_idx=0)
        self.user_id = nn.Embedding(users + 1, dim, padding_idx=0)
        for table in (self.film_id, self.user_id):
            nn.init.normal_(table.weight, std=0.05)
            with torch.no_grad():
                table.weight[0].zero_()
        self.film = tower(dim + film_features, hidden, dim, dropout)
        self.user = tower(3 * dim + user_features, hidden, dim, dropout)

    def films(self, films: Films) -> Tensor:
        """Film vectors (n, d)."""
        ids = self.film_id(self._forget(films.id))
        return self._out(ids + self.film(torch.cat([ids, films.features], dim=1)))

    def users(self, users: Users) -> Tensor:
        """User vectors (b, d): mean-pooled history, all of it and the last few, beside id and features."""
        pooled = self._mean(users.history)
        latest = self._mean(users.history[:, -self.recent :])
        ids = self.user_id(self._forget(users.id))
        return self._out(latest + self.user(torch.cat([ids, pooled, latest, users.features], dim=1)))

    def _mean(self, history: Tensor) -> Tensor:
        """Mean vector of the films of each row, padding left out; zeros where there is none. (b, w) -> (b, d)."""
        return F.embedding_bag(history, self.film_id.weight, mode="mean", padding_idx=0)

    def _forget(self, ids: Tensor) -> Tensor:
        """Hide ids at random in training, so that the vectors of unknown ids are trained too."""
        if not self.training or self.id_dropout == 0:
            return ids
        return ids * (torch.rand(ids.shape) >= self.id_dropout)

    def _out(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=1) if self.normalise else vectors


def tower(width: int, hidden: int, dim: int, dropout: float) -> nn.Sequential:
    """A two-layer perceptron (n, width) -> (n, dim)."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim))


def info_nce(
    user: Tensor, film: Tensor, film_ids: Tensor, history: Tensor, log_q: Tensor, temperature: float
) -> Tensor:
    """Mean InfoNCE loss: row i's positive is film i, the other rows' films are its negatives.

    user, film (b, d); film_ids (b,) and history (b, w) rows of the film table; log_q (b,) the log probability
    with which a film is drawn into a batch, taken off its logit (zeros: no correction). Accidental hits are
    masked: the positive film in another row, and films the user has in the window, which serving would
    never show either.
    """
    assert user.shape == film.shape, f"user {tuple(user.shape)} and film {tuple(film.shape)} vectors differ"
    b = len(user)
    logits = user @ film.T / temperature - log_q  # (b, b)
    seen = torch.zeros(b, int(max(film_ids.max(), history.max())) + 1, dtype=torch.bool)
    seen.scatter_(1, history, True)
    seen[:, 0] = False
    hit = seen[:, film_ids] | (film_ids[:, None] == film_ids[None, :])
    hit.fill_diagonal_(False)
    return F.cross_entropy(logits.masked_fill(hit, float("-inf")), torch.arange(b))
